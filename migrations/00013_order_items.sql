-- Orders know their items, so that a build counts them without grouping all lines.

-- +goose Up
ALTER TABLE orders ADD COLUMN items bigint[] NOT NULL DEFAULT '{}';
UPDATE orders AS o
SET items = l.items
FROM (
    SELECT x.order_id, array_agg(x.item_id ORDER BY x.item_id) AS items
    FROM order_lines AS x
    GROUP BY x.order_id
) AS l
WHERE l.order_id = o.order_id;
COMMENT ON COLUMN orders.items IS 'The items of the order''s lines, in ascending order.';

-- +goose Down
ALTER TABLE orders DROP COLUMN items;
