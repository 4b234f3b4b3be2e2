-- The merge of one load: what stands in staged_rows becomes items, orders, order_lines and load_rejects. Merges run one at a time (an
-- advisory lock), so that what another load brings in is either seen here or sees this.

-- name: StagedItemMerge :execrows
INSERT INTO items (name)
SELECT DISTINCT s.item_name
FROM staged_rows AS s
WHERE s.reason IS NULL AND NOT EXISTS (SELECT FROM items AS i WHERE i.name = s.item_name)
ORDER BY s.item_name;

-- name: StagedOrderMerge :one
-- An order keeps the earliest time and the first customer, by bytes, that its lines name: the same whatever the order of the lines. What
-- an earlier load brought stays as it is.
WITH staged AS MATERIALIZED (
    SELECT s.order_id AS external_id, min(s.ordered_at) AS ordered_at, min(s.customer_id COLLATE "C") AS customer_id
    FROM staged_rows AS s
    WHERE s.reason IS NULL
    GROUP BY s.order_id
), known AS (
    INSERT INTO known_orders (order_id, load_id, ordered_at, customer_id)
    SELECT o.order_id, @load_id::bigint, n.ordered_at, n.customer_id
    FROM staged AS n
    JOIN orders AS o ON o.external_id = n.external_id
    ORDER BY o.order_id
    RETURNING 1
), added AS (
    INSERT INTO orders (external_id, ordered_at, customer_id, load_id)
    SELECT n.external_id, n.ordered_at, n.customer_id, @load_id::bigint
    FROM staged AS n
    WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.external_id = n.external_id)
    ORDER BY n.external_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM added)::bigint AS added, (SELECT count(*) FROM known)::bigint AS known;

-- name: StagedLineMerge :one
-- Repeats inside the load add to the quantity; what an earlier load brought stays as it is. In the order of the key, which fills the
-- index from left to right.
WITH lines AS (
    SELECT o.order_id, i.item_id, sum(s.quantity) AS quantity, count(*) AS staged
    FROM staged_rows AS s
    JOIN orders AS o ON o.external_id = s.order_id
    JOIN items AS i ON i.name = s.item_name
    WHERE s.reason IS NULL
    GROUP BY o.order_id, i.item_id
), known AS (
    INSERT INTO known_lines (order_id, item_id, load_id, quantity)
    SELECT n.order_id, n.item_id, @load_id::bigint, n.quantity
    FROM lines AS n
    JOIN order_lines AS k ON k.order_id = n.order_id AND k.item_id = n.item_id
    ORDER BY n.order_id, n.item_id
    RETURNING 1
), added AS (
    INSERT INTO order_lines (order_id, item_id, quantity, load_id)
    SELECT n.order_id, n.item_id, n.quantity, @load_id::bigint
    FROM lines AS n
    WHERE NOT EXISTS (SELECT FROM order_lines AS k WHERE k.order_id = n.order_id AND k.item_id = n.item_id)
    ORDER BY n.order_id, n.item_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM added)::bigint AS loaded, (SELECT count(*) FROM known)::bigint AS known,
       (SELECT coalesce(sum(l.staged - 1), 0) FROM lines AS l)::bigint AS repeated;

-- name: StagedRejectMerge :execrows
INSERT INTO load_rejects (load_id, row_number, file_number, line_number, reason, detail, raw, said)
SELECT @load_id::bigint, s.row_number, s.file_number, s.line_number, s.reason, s.detail, s.raw, s.said
FROM staged_rows AS s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number;
