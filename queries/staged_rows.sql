-- The merge of one load: what stands in the staged tables becomes items, orders and order_lines. Merges run
-- one at a time (an advisory lock), so that what another load brings in is either seen here or sees this.

-- name: StagedItemMerge :execrows
INSERT INTO items (name)
SELECT s.name
FROM staged_names AS s
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.name = s.name)
ORDER BY s.name;

-- name: StagedItemNumber :execrows
INSERT INTO item_numbers (staged_id, item_id)
SELECT s.item_id, i.item_id FROM staged_names AS s JOIN items AS i ON i.name = s.name;

-- name: TablesAreVacant :one
-- Whether a load may empty the tables that it fills: nothing is in them, nothing was built from them, and
-- nobody's foreign key forbids it.
SELECT (NOT EXISTS (SELECT FROM orders) AND NOT EXISTS (SELECT FROM items)
        AND NOT EXISTS (SELECT FROM builds AS b WHERE b.active)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k
            WHERE k.contype = 'f'
              AND k.confrelid IN ('items'::regclass, 'orders'::regclass, 'order_lines'::regclass)
        ))::boolean AS vacant;

-- name: StagedOrderKnow :execrows
-- What the load says of orders that an earlier one brought; run before StagedOrderMerge, after which all are
-- there.
INSERT INTO known_orders (order_id, load_id, ordered_at, customer_id)
SELECT o.order_id, @load_id::bigint, min(s.ordered_at), min(s.customer_id COLLATE "C")
FROM staged_orders AS s
JOIN orders AS o ON o.external_id = s.external_id
GROUP BY o.order_id
ORDER BY o.order_id;

-- name: StagedOrderMerge :execrows
-- An order keeps the earliest time and the first customer, by bytes, that its lines name: the same whatever
-- the order of the lines.
INSERT INTO orders (external_id, ordered_at, customer_id, load_id, items)
SELECT s.external_id, min(s.ordered_at), min(s.customer_id COLLATE "C"), @load_id::bigint,
       array_agg(DISTINCT n.item_id ORDER BY n.item_id)
FROM staged_orders AS s
JOIN staged_lines AS l ON l.order_id = s.order_id
JOIN item_numbers AS n ON n.staged_id = l.item_id
WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.external_id = s.external_id)
GROUP BY s.external_id
ORDER BY s.external_id;

-- name: StagedOrderNumber :execrows
INSERT INTO order_numbers (staged_id, order_id)
SELECT s.order_id, o.order_id FROM staged_orders AS s JOIN orders AS o ON o.external_id = s.external_id;

-- name: StagedLineNumber :execrows
-- Repeats inside the load add to the quantity.
INSERT INTO numbered_lines (order_id, item_id, quantity)
SELECT o.order_id, i.item_id, sum_numeric(l.quantity)
FROM staged_lines AS l
JOIN order_numbers AS o ON o.staged_id = l.order_id
JOIN item_numbers AS i ON i.staged_id = l.item_id
GROUP BY o.order_id, i.item_id;

-- name: StagedLineKnow :execrows
-- What the load says of lines that an earlier one brought; run before StagedLineMerge.
INSERT INTO known_lines (order_id, item_id, load_id, quantity)
SELECT k.order_id, k.item_id, @load_id::bigint, n.quantity
FROM numbered_lines AS n
JOIN order_lines AS k ON k.order_id = n.order_id AND k.item_id = n.item_id
ORDER BY k.order_id, k.item_id;

-- name: StagedLineMerge :execrows
-- In the order of the key, which fills the index from left to right.
INSERT INTO order_lines (order_id, item_id, quantity, load_id)
SELECT n.order_id, n.item_id, n.quantity, @load_id::bigint
FROM numbered_lines AS n
WHERE NOT EXISTS (SELECT FROM order_lines AS k WHERE k.order_id = n.order_id AND k.item_id = n.item_id)
ORDER BY n.order_id, n.item_id;

-- name: StagedOrderExtend :execrows
-- The items of orders that an earlier load had brought; run after StagedLineMerge.
UPDATE orders AS o
SET items = l.items
FROM (
    SELECT k.order_id, array_agg(k.item_id ORDER BY k.item_id) AS items
    FROM order_lines AS k
    WHERE k.order_id IN (SELECT x.order_id FROM known_orders AS x WHERE x.load_id = @load_id::bigint)
    GROUP BY k.order_id
) AS l
WHERE l.order_id = o.order_id AND o.items <> l.items;
