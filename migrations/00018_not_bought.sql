-- Rows that do not count as bought: cancelled, refunded, returned. They are a fate of their own beside
-- loaded, duplicate and rejected, and take back lines that are known.

-- +goose Up
ALTER TABLE loads
    ADD COLUMN rows_not_bought bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT loads_every_row_check,
    ADD CONSTRAINT loads_every_row_check
        CHECK (rows_read = rows_loaded + rows_duplicate + rows_not_bought + rows_rejected),
    DROP CONSTRAINT loads_counts_check,
    ADD CONSTRAINT loads_counts_check CHECK (
        least(rows_read, rows_loaded, rows_duplicate, rows_not_bought, rows_rejected, orders_added,
            orders_known,
              items_added, orders_deleted, lines_deleted) >= 0
    );
ALTER TABLE load_files
    ADD COLUMN rows_not_bought bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT load_files_rows_check,
    ADD CONSTRAINT load_files_rows_check
        CHECK (least(rows_rejected, rows_not_bought) >= 0 AND rows_rejected + rows_not_bought <= rows_read);

ALTER TABLE load_rejects
    ADD COLUMN fate text NOT NULL DEFAULT 'rejected',
    ADD CONSTRAINT load_rejects_fate_check CHECK (fate IN ('rejected', 'not_bought'));
COMMENT ON TABLE load_rejects IS
    'Source rows that are no lines, with the reason and the bytes as they stood in the file: refused, or not '
    'bought.';

-- Of a line that stands here, every claim stands in known_lines, also the first one, and order_lines has it
-- only while something of it is bought: what settled_line() says.
CREATE TABLE returned_lines (
    order_id bigint NOT NULL,
    item_id  bigint NOT NULL,
    load_id  bigint NOT NULL,
    quantity numeric,
    CONSTRAINT returned_lines_pkey PRIMARY KEY (order_id, item_id, load_id),
    CONSTRAINT returned_lines_quantity_check CHECK (quantity > 0)
);
COMMENT ON TABLE returned_lines IS
    'What a load said was taken back of a line that some load in force claims.';
COMMENT ON COLUMN returned_lines.quantity IS 'NULL: all of the line.';
COMMENT ON COLUMN orders.items IS
    'The items of the order''s lines, in ascending order. None: all were returned, and the order counts '
    'nowhere.';

-- +goose Down
-- An older program knows of no returns: the first claim of every line is in force again.
WITH claims AS (
    SELECT DISTINCT ON (k.order_id, k.item_id) k.order_id, k.item_id, k.load_id, k.quantity
    FROM known_lines AS k
    WHERE EXISTS (SELECT FROM returned_lines AS r WHERE r.order_id = k.order_id AND r.item_id = k.item_id)
    ORDER BY k.order_id, k.item_id, k.load_id
), taken AS (
    DELETE FROM known_lines AS k
    USING claims AS c
    WHERE k.order_id = c.order_id AND k.item_id = c.item_id AND k.load_id = c.load_id
)
INSERT INTO order_lines (order_id, item_id, load_id, quantity)
SELECT c.order_id, c.item_id, c.load_id, c.quantity FROM claims AS c
ON CONFLICT (order_id, item_id) DO UPDATE SET load_id = excluded.load_id, quantity = excluded.quantity;
UPDATE orders AS o
SET items = l.items
FROM (
    SELECT x.order_id, array_agg(x.item_id ORDER BY x.item_id) AS items
    FROM order_lines AS x
    WHERE x.order_id IN (SELECT r.order_id FROM returned_lines AS r)
    GROUP BY x.order_id
) AS l
WHERE l.order_id = o.order_id AND o.items <> l.items;
DROP FUNCTION IF EXISTS settled_line(bigint, bigint);
DROP TABLE returned_lines;
DROP VIEW reporting.loads, reporting.load_files, reporting.load_rejects, reporting.load_not_bought,
    reporting.data_quality, reporting.load_funnel;
ALTER TABLE load_rejects DROP COLUMN fate;
ALTER TABLE load_files DROP CONSTRAINT load_files_rows_check;
UPDATE load_files SET rows_rejected = rows_rejected + rows_not_bought WHERE rows_not_bought > 0;
ALTER TABLE load_files
    DROP COLUMN rows_not_bought,
    ADD CONSTRAINT load_files_rows_check CHECK (rows_rejected BETWEEN 0 AND rows_read);
ALTER TABLE loads DROP CONSTRAINT loads_every_row_check, DROP CONSTRAINT loads_counts_check;
UPDATE loads SET rows_rejected = rows_rejected + rows_not_bought WHERE rows_not_bought > 0;
ALTER TABLE loads
    DROP COLUMN rows_not_bought,
    ADD CONSTRAINT loads_every_row_check CHECK (rows_read = rows_loaded + rows_duplicate + rows_rejected),
    ADD CONSTRAINT loads_counts_check CHECK (
        least(rows_read, rows_loaded, rows_duplicate, rows_rejected, orders_added, orders_known, items_added,
              orders_deleted, lines_deleted) >= 0
    );
COMMENT ON TABLE load_rejects IS
    'Source rows that were refused, with the reason and the bytes as they stood in the file.';
COMMENT ON COLUMN orders.items IS 'The items of the order''s lines, in ascending order.';
