-- The merge of one load: what stands in staged_rows becomes items, orders, order_lines and load_rejects. Merges run one at a time (an
-- advisory lock), so that what another load brings in is either seen here or sees this.

-- name: StagedItemMerge :execrows
-- The names first, by themselves: the planner knows how few there are, and groups by hash instead of sorting every row.
WITH names AS MATERIALIZED (
    SELECT DISTINCT s.item_name AS name FROM staged_rows AS s WHERE s.reason IS NULL
)
INSERT INTO items (name)
SELECT n.name
FROM names AS n
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.name = n.name)
ORDER BY n.name;

-- name: OrderExists :one
SELECT EXISTS (SELECT FROM orders)::boolean AS some;

-- name: StagedOrderKnow :execrows
-- What the load says of orders that an earlier one brought; run before StagedOrderMerge, after which all are there.
INSERT INTO known_orders (order_id, load_id, ordered_at, customer_id)
SELECT o.order_id, @load_id::bigint, min(s.ordered_at), min(s.customer_id COLLATE "C")
FROM staged_rows AS s
JOIN orders AS o ON o.external_id = s.order_id
WHERE s.reason IS NULL
GROUP BY o.order_id
ORDER BY o.order_id;

-- name: StagedOrderMerge :execrows
-- An order keeps the earliest time and the first customer, by bytes, that its lines name: the same whatever the order of the lines.
INSERT INTO orders (external_id, ordered_at, customer_id, load_id, items)
SELECT s.order_id, min(s.ordered_at), min(s.customer_id COLLATE "C"), @load_id::bigint,
       array_agg(DISTINCT i.item_id ORDER BY i.item_id)
FROM staged_rows AS s
JOIN items AS i ON i.name = s.item_name
WHERE s.reason IS NULL AND NOT EXISTS (SELECT FROM orders AS o WHERE o.external_id = s.order_id)
GROUP BY s.order_id
ORDER BY s.order_id;

-- name: StagedLineKnow :execrows
-- What the load says of lines that an earlier one brought; run before StagedLineMerge. Repeats inside the load add to the quantity.
INSERT INTO known_lines (order_id, item_id, load_id, quantity)
SELECT k.order_id, k.item_id, @load_id::bigint, sum_numeric(s.quantity)
FROM staged_rows AS s
JOIN orders AS o ON o.external_id = s.order_id
JOIN items AS i ON i.name = s.item_name
JOIN order_lines AS k ON k.order_id = o.order_id AND k.item_id = i.item_id
WHERE s.reason IS NULL
GROUP BY k.order_id, k.item_id
ORDER BY k.order_id, k.item_id;

-- name: StagedLineMerge :execrows
-- Repeats inside the load add to the quantity. In the order of the key, which fills the index from left to right.
INSERT INTO order_lines (order_id, item_id, quantity, load_id)
SELECT o.order_id, i.item_id, sum_numeric(s.quantity), @load_id::bigint
FROM staged_rows AS s
JOIN orders AS o ON o.external_id = s.order_id
JOIN items AS i ON i.name = s.item_name
WHERE s.reason IS NULL AND NOT EXISTS (SELECT FROM order_lines AS k WHERE k.order_id = o.order_id AND k.item_id = i.item_id)
GROUP BY o.order_id, i.item_id
ORDER BY o.order_id, i.item_id;

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

-- name: StagedRejectMerge :execrows
INSERT INTO load_rejects (load_id, row_number, file_number, line_number, reason, detail, raw, said)
SELECT @load_id::bigint, s.row_number, s.file_number, s.line_number, s.reason, s.detail, s.raw, s.said
FROM staged_rows AS s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number;
