-- What a load brought in, taken out again; and orders deleted for good. Both run under the lock of merges.

-- name: LoadRevert :one
-- Records that a load in force is reverted. No row: there is no such load.
UPDATE loads AS l
SET status = 'reverted', reverted_at = clock_timestamp(), reverted_by = @reverted_by::text
WHERE l.load_id = @load_id AND l.status = 'loaded'
RETURNING *;

-- name: LoadRevertCount :one
-- What a revert of a load would take out: what no other load in force has. Lines that it took back come back
-- where another load claims them: these are counted in returns.
WITH gone AS MATERIALIZED (
    SELECT l.item_id
    FROM order_lines AS l
    WHERE l.load_id = @load_id::bigint AND NOT EXISTS (
        SELECT FROM known_lines AS k
        WHERE k.order_id = l.order_id AND k.item_id = l.item_id AND k.load_id <> @load_id
    )
), held AS (
    SELECT DISTINCT l.item_id
    FROM order_lines AS l
    WHERE l.item_id IN (SELECT g.item_id FROM gone AS g) AND (l.load_id <> @load_id OR EXISTS (
        SELECT FROM known_lines AS k
        WHERE k.order_id = l.order_id AND k.item_id = l.item_id AND k.load_id <> @load_id
    ))
)
SELECT (SELECT count(*) FROM gone)::bigint AS lines,
       (SELECT count(*) FROM orders AS o WHERE o.load_id = @load_id AND NOT EXISTS (
           SELECT FROM known_orders AS k WHERE k.order_id = o.order_id AND k.load_id <> @load_id
       ))::bigint AS orders,
       (SELECT count(DISTINCT g.item_id) FROM gone AS g
        WHERE g.item_id NOT IN (SELECT h.item_id FROM held AS h))::bigint AS items,
       (SELECT count(*) FROM returned_lines AS r WHERE r.load_id = @load_id)::bigint AS returns;

-- name: RevertedLineInherit :execrows
-- A line that later loads have too goes to the first of them, with the quantity that it said.
WITH heirs AS MATERIALIZED (
    SELECT DISTINCT ON (k.order_id, k.item_id) k.order_id, k.item_id, k.load_id, k.quantity
    FROM known_lines AS k
    JOIN order_lines AS l ON l.order_id = k.order_id AND l.item_id = k.item_id
    WHERE l.load_id = @load_id::bigint
    ORDER BY k.order_id, k.item_id, k.load_id
), taken AS (
    DELETE FROM known_lines AS k
    USING heirs AS h
    WHERE k.order_id = h.order_id AND k.item_id = h.item_id AND k.load_id = h.load_id
)
UPDATE order_lines AS l
SET load_id = h.load_id, quantity = h.quantity
FROM heirs AS h
WHERE l.order_id = h.order_id AND l.item_id = h.item_id;

-- name: RevertedOrderInherit :execrows
WITH heirs AS MATERIALIZED (
    SELECT DISTINCT ON (k.order_id) k.order_id, k.load_id, k.ordered_at, k.customer_id
    FROM known_orders AS k
    JOIN orders AS o ON o.order_id = k.order_id
    WHERE o.load_id = @load_id::bigint
    ORDER BY k.order_id, k.load_id
), taken AS (
    DELETE FROM known_orders AS k
    USING heirs AS h
    WHERE k.order_id = h.order_id AND k.load_id = h.load_id
)
UPDATE orders AS o
SET load_id = h.load_id, ordered_at = h.ordered_at, customer_id = h.customer_id
FROM heirs AS h
WHERE o.order_id = h.order_id;

-- name: RevertedLineDelete :execrows
-- Run after RevertedOrderInherit: the other orders of the load go with it.
WITH gone AS (
    DELETE FROM order_lines AS l WHERE l.load_id = @load_id::bigint RETURNING l.order_id, l.item_id
), lost AS (
    SELECT g.order_id, array_agg(g.item_id) AS items FROM gone AS g GROUP BY g.order_id
)
UPDATE orders AS o
SET items = ARRAY(SELECT unnest(o.items) EXCEPT SELECT unnest(l.items) ORDER BY 1)
FROM lost AS l
WHERE l.order_id = o.order_id AND o.load_id <> @load_id::bigint;

-- name: RevertedOrderDelete :execrows
DELETE FROM orders AS o WHERE o.load_id = @load_id;

-- name: RevertedKnownLineDelete :execrows
DELETE FROM known_lines AS k WHERE k.load_id = @load_id;

-- name: RevertedKnownOrderDelete :execrows
DELETE FROM known_orders AS k WHERE k.load_id = @load_id;

-- name: ItemMayBeUnused :one
-- Whether there are more items than those that the active build counted and those that only the catalogue, or
-- lines of which something was returned, name.
SELECT (SELECT count(*) FROM items) > (SELECT coalesce(max(b.items), 0) FROM builds AS b WHERE b.active) + (
    SELECT count(*)
    FROM (SELECT t.item_id FROM item_attributes AS t UNION SELECT r.item_id FROM returned_lines AS r) AS a
    WHERE NOT EXISTS (
        SELECT FROM item_stats AS s
        JOIN builds AS b ON b.build_id = s.build_id
        WHERE s.item_id = a.item_id AND b.active
    )
) AS more;

-- name: ItemDeleteUnused :execrows
-- Items that no order holds any more, no kept build speaks of and the catalogue does not name.
DELETE FROM items AS i
WHERE NOT EXISTS (SELECT FROM order_lines AS l WHERE l.item_id = i.item_id)
  AND NOT EXISTS (SELECT FROM returned_lines AS r WHERE r.item_id = i.item_id)
  AND NOT EXISTS (SELECT FROM item_stats AS s WHERE s.item_id = i.item_id)
  AND NOT EXISTS (SELECT FROM item_attributes AS a WHERE a.item_id = i.item_id);

-- name: OrderListByExternalID :many
SELECT o.order_id, o.external_id
FROM orders AS o
WHERE o.external_id = ANY (@external_ids::text[])
ORDER BY o.order_id;

-- name: OrderListByCustomer :many
-- Every order that some load, in force, said is the customer's.
SELECT o.order_id, o.external_id
FROM orders AS o
WHERE o.customer_id = @customer_id::text
   OR EXISTS (
       SELECT FROM known_orders AS k WHERE k.order_id = o.order_id AND k.customer_id = @customer_id::text
   )
ORDER BY o.order_id;

-- name: RejectForget :execrows
-- Deletes the values of rejects and of rows not bought; their place and reason stay. Finds only rows that
-- could be split into values.
UPDATE load_rejects AS r
SET raw = '', parsed = NULL, detail = 'deleted'
WHERE r.parsed ->> 'order_id' = ANY (@external_ids::text[])
  OR (@customer_id::text <> '' AND r.parsed ->> 'customer_id' = @customer_id::text);

-- name: OrderDelete :one
-- Deletes orders and all data that any load has on them, and adjusts the counts of those loads.
WITH lines AS (
    DELETE FROM order_lines AS l WHERE l.order_id = ANY (@order_ids::bigint[])
    RETURNING l.order_id, l.item_id, l.load_id
), known_line AS (
    DELETE FROM known_lines AS k WHERE k.order_id = ANY (@order_ids::bigint[])
    RETURNING k.order_id, k.item_id, k.load_id
), returned AS (
    DELETE FROM returned_lines AS r WHERE r.order_id = ANY (@order_ids::bigint[])
), shop AS (
    DELETE FROM shop_orders AS s
    USING orders AS o
    WHERE o.order_id = ANY (@order_ids::bigint[]) AND s.external_id = o.external_id
    RETURNING s.shop, s.shop_order_id
), refund AS (
    DELETE FROM shop_refunds AS r
    USING shop AS s
    WHERE r.shop = s.shop AND r.shop_order_id = s.shop_order_id
), gone AS (
    DELETE FROM orders AS o WHERE o.order_id = ANY (@order_ids::bigint[]) RETURNING o.load_id
), known_order AS (
    DELETE FROM known_orders AS k WHERE k.order_id = ANY (@order_ids::bigint[]) RETURNING k.load_id
), changes AS (
    SELECT x.load_id, sum(x.lines)::bigint AS lines, sum(x.orders)::bigint AS orders
    FROM (
        SELECT c.load_id, 1 AS lines, 0 AS orders
        FROM (
            -- what was returned stands in both, as its first claim
            SELECT l.order_id, l.item_id, l.load_id FROM lines AS l
            UNION SELECT k.order_id, k.item_id, k.load_id FROM known_line AS k
        ) AS c
        UNION ALL SELECT g.load_id, 0, 1 FROM gone AS g
        UNION ALL SELECT k.load_id, 0, 1 FROM known_order AS k
    ) AS x
    GROUP BY x.load_id
), kept AS (
    UPDATE loads AS l
    SET lines_deleted = l.lines_deleted + b.lines, orders_deleted = l.orders_deleted + b.orders
    FROM changes AS b
    WHERE l.load_id = b.load_id
)
INSERT INTO order_deletions (orders, lines, rejects, reason, deleted_by, version)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM lines), @rejects::bigint, @reason::text,
       @deleted_by::text, @version::text
RETURNING *;
