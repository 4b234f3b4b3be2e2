-- The merge of one load: what stands in staged_rows becomes items, orders, order_lines and load_rejects. Merges run one at a time (an
-- advisory lock), so that what another load brings in is either seen here or sees this.

-- name: StagedItemMerge :execrows
INSERT INTO items (name)
SELECT DISTINCT s.item_name
FROM staged_rows AS s
WHERE s.reason IS NULL AND NOT EXISTS (SELECT FROM items AS i WHERE i.name = s.item_name)
ORDER BY s.item_name;

-- name: StagedOrderMerge :execrows
-- An order keeps the earliest time and the first customer, by bytes, that its lines name: the same whatever the order of the lines.
INSERT INTO orders (external_id, ordered_at, customer_id, load_id)
SELECT s.order_id, min(s.ordered_at), min(s.customer_id COLLATE "C"), @load_id::bigint
FROM staged_rows AS s
WHERE s.reason IS NULL AND NOT EXISTS (SELECT FROM orders AS o WHERE o.external_id = s.order_id)
GROUP BY s.order_id
ORDER BY s.order_id;

-- name: StagedLineMerge :one
-- Repeats inside the load add to the quantity; lines that earlier loads brought stay as they are. In the order of the key, which fills the
-- index from left to right.
WITH lines AS (
    SELECT o.order_id, i.item_id, sum(s.quantity) AS quantity, count(*) AS staged
    FROM staged_rows AS s
    JOIN orders AS o ON o.external_id = s.order_id
    JOIN items AS i ON i.name = s.item_name
    WHERE s.reason IS NULL
    GROUP BY o.order_id, i.item_id
), merged AS (
    INSERT INTO order_lines (order_id, item_id, quantity, load_id)
    SELECT n.order_id, n.item_id, n.quantity, @load_id::bigint
    FROM lines AS n
    WHERE NOT EXISTS (SELECT FROM order_lines AS k WHERE k.order_id = n.order_id AND k.item_id = n.item_id)
    ORDER BY n.order_id, n.item_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM merged)::bigint AS loaded,
       (SELECT coalesce(sum(l.staged - 1), 0) FROM lines AS l)::bigint AS repeated;

-- name: StagedRejectMerge :execrows
INSERT INTO load_rejects (load_id, row_number, file_number, line_number, reason, detail, raw)
SELECT @load_id::bigint, s.row_number, s.file_number, s.line_number, s.reason, s.detail, s.raw
FROM staged_rows AS s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number;
