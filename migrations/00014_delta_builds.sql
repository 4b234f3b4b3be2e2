-- Delta builds: a build may start from the counts of an earlier one, and count only the orders that changed
-- since. For this, counts are kept as integers, and orders keep what they were before each change.

-- +goose Up
ALTER TABLE item_stats ADD COLUMN weight_units bigint;
ALTER TABLE item_pairs ADD COLUMN weight_units bigint;
COMMENT ON COLUMN item_stats.weight_units IS
    'The sum of 1/(size - 1) over the item''s counted baskets, in units of 2^-38. NULL: an older build.';
COMMENT ON COLUMN item_pairs.weight_units IS 'weight in units of 2^-38, exactly. NULL: an older build.';

ALTER TABLE builds
    ADD COLUMN base_build     bigint,
    ADD COLUMN changed_orders bigint,
    ADD COLUMN last_order_id  bigint,
    ADD COLUMN last_change_id bigint,
    ADD CONSTRAINT builds_base_check CHECK (base_build < build_id AND changed_orders >= 0),
    ADD CONSTRAINT builds_last_check CHECK ((last_order_id IS NULL) = (last_change_id IS NULL));
COMMENT ON COLUMN builds.base_build IS
    'The build whose counts this one started from. NULL: a full build, of all orders.';
COMMENT ON COLUMN builds.changed_orders IS 'Orders that changed since base_build. NULL: a full build.';
COMMENT ON COLUMN builds.last_order_id IS
    'The newest order that was there. NULL: a later build cannot start from this one.';
COMMENT ON COLUMN builds.last_change_id IS 'The newest of order_changes that was there, or 0.';

CREATE TABLE order_changes (
    change_id  bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT order_changes_pkey PRIMARY KEY,
    order_id   bigint   NOT NULL,
    items      bigint[] NOT NULL,
    ordered_at timestamptz
);
COMMENT ON TABLE order_changes IS
    'What an order was before it was changed or deleted. Kept while a build is that counted it that way.';

-- Changes of orders are committed one after the other, so that a build that sees an order or a change sees
-- all that came before it. This is the lock of merges; who changes orders by hand takes it here.
-- +goose StatementBegin
CREATE FUNCTION lock_orders() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'616c0002'::integer, 0);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION keep_order_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO order_changes (order_id, items, ordered_at)
        SELECT o.order_id, o.items, o.ordered_at
        FROM old_orders AS o
        JOIN new_orders AS n ON n.order_id = o.order_id
        WHERE (n.items, n.ordered_at) IS DISTINCT FROM (o.items, o.ordered_at);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO order_changes (order_id, items, ordered_at)
        SELECT o.order_id, o.items, o.ordered_at FROM old_orders AS o;
    ELSE
        UPDATE builds SET last_order_id = NULL, last_change_id = NULL WHERE last_order_id IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION keep_order_changes FROM PUBLIC;

CREATE TRIGGER orders_lock BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION lock_orders();
CREATE TRIGGER orders_updated AFTER UPDATE ON orders
    REFERENCING OLD TABLE AS old_orders NEW TABLE AS new_orders
    FOR EACH STATEMENT EXECUTE FUNCTION keep_order_changes();
CREATE TRIGGER orders_deleted AFTER DELETE ON orders REFERENCING OLD TABLE AS old_orders
    FOR EACH STATEMENT EXECUTE FUNCTION keep_order_changes();
CREATE TRIGGER orders_truncated AFTER TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION keep_order_changes();

-- +goose Down
DROP TRIGGER orders_truncated ON orders;
DROP TRIGGER orders_deleted ON orders;
DROP TRIGGER orders_updated ON orders;
DROP TRIGGER orders_lock ON orders;
DROP FUNCTION keep_order_changes, lock_orders;
DROP TABLE order_changes;
DROP VIEW reporting.builds;
ALTER TABLE builds
    DROP COLUMN base_build, DROP COLUMN changed_orders, DROP COLUMN last_order_id, DROP COLUMN last_change_id;
ALTER TABLE item_pairs DROP COLUMN weight_units;
ALTER TABLE item_stats DROP COLUMN weight_units;
