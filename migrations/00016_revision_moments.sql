-- A revision is never given twice. A primary can be lost together with changes that its replica never got:
-- the promoted replica would count on from the number before, and a server that kept answers, or a client
-- with their ETags, would take those made from a lost change for those of the next one. So a revision is the
-- time of its change, in microseconds, and more than the one before whatever the clock says.

-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM give_notice();
    UPDATE revisions AS r
    SET changes = greatest(r.changes + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
        matters = CASE r.subject
            WHEN 'rules' THEN EXISTS (
                SELECT FROM rules AS x WHERE coalesce(x.valid_until, 'infinity') > now()
            )
            ELSE EXISTS (SELECT FROM item_attributes AS a WHERE NOT a.active)
        END
    WHERE r.subject = TG_ARGV[0];
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON COLUMN revisions.changes IS
    'Grows with every change: the time of the last one in microseconds since 1970, or one more than before.';

-- +goose Down
COMMENT ON COLUMN revisions.changes IS NULL;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM give_notice();
    UPDATE revisions AS r
    SET changes = r.changes + 1,
        matters = CASE r.subject
            WHEN 'rules' THEN EXISTS (
                SELECT FROM rules AS x WHERE coalesce(x.valid_until, 'infinity') > now()
            )
            ELSE EXISTS (SELECT FROM item_attributes AS a WHERE NOT a.active)
        END
    WHERE r.subject = TG_ARGV[0];
    RETURN NULL;
END
$$;
-- +goose StatementEnd
