-- Notice of changes. A server trusts the version that it read for 2 ms without asking again. So whoever
-- changes what answers are made from first takes a lock, which every server sees at once, and waits for
-- longer than that before it can commit: see read_version() in functions/answers.sql.

-- +goose Up
-- Held, exclusively, by a transaction that changes what answers are made from; shared while a version is
-- read.
CREATE FUNCTION answers_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN x'616c0005'::bigint;

-- Once in a transaction. A setting that is local to it remembers that, and is forgotten with a savepoint,
-- like the lock. The wait is 2.5 times as long as servers trust what they read, for clocks that run unevenly.
-- +goose StatementBegin
CREATE FUNCTION give_notice() RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(answers_lock());
    IF current_setting('alsobought.notice', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config('alsobought.notice', pg_current_xact_id()::text, true);
        PERFORM pg_sleep(0.005);
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION notice_switch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM give_notice();
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER builds_switch BEFORE UPDATE OF active OR DELETE OR TRUNCATE ON builds
    FOR EACH STATEMENT EXECUTE FUNCTION notice_switch();

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
REVOKE EXECUTE ON FUNCTION notice_switch, give_notice FROM PUBLIC;

-- +goose Down
DROP TRIGGER builds_switch ON builds;
DROP FUNCTION notice_switch;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE revisions SET changes = changes + 1 WHERE subject = TG_ARGV[0];
    UPDATE revisions AS r
    SET matters = CASE r.subject
        WHEN 'rules' THEN EXISTS (SELECT FROM rules AS x WHERE coalesce(x.valid_until, 'infinity') > now())
        ELSE EXISTS (SELECT FROM item_attributes AS a WHERE NOT a.active)
    END
    WHERE r.subject = TG_ARGV[0];
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP FUNCTION give_notice, answers_lock;
