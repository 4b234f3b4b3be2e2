-- The source of a delta build: the orders added, changed or deleted since its base. The previous state of
-- an order is subtracted (sign -1), its current state added.
CREATE TEMPORARY VIEW base AS
SELECT b.* FROM builds AS r JOIN builds AS b ON b.build_id = r.base_build WHERE r.status = 'running';

-- A view, because rows written now would not be visible in the snapshot of the build. The upper bound on
-- new orders is redundant, but makes the planner expect few of them.
CREATE TEMPORARY VIEW signed_orders AS
WITH replaced AS MATERIALIZED (
    SELECT DISTINCT ON (c.order_id) c.order_id, c.items, c.ordered_at
    FROM order_changes AS c
    WHERE c.change_id > (SELECT b.last_change_id FROM base AS b)
      AND c.order_id <= (SELECT b.last_order_id FROM base AS b)
    ORDER BY c.order_id, c.change_id
)
SELECT -1::bigint AS sign, r.order_id, r.items, r.ordered_at FROM replaced AS r WHERE r.items <> '{}'
UNION ALL
SELECT 1, o.order_id, o.items, o.ordered_at
FROM replaced AS r
JOIN orders AS o ON o.order_id = r.order_id
WHERE o.items <> '{}'
UNION ALL
SELECT 1, o.order_id, o.items, o.ordered_at
FROM orders AS o
WHERE o.order_id BETWEEN (SELECT b.last_order_id + 1 FROM base AS b)
                     AND (SELECT max(x.order_id) FROM orders AS x)
  AND o.items <> '{}';

-- All orders are read only if the newest order is among the subtracted ones.
CREATE TEMPORARY VIEW newest_order AS
SELECT CASE
    WHEN EXISTS (SELECT FROM signed_orders AS c WHERE c.sign < 0 AND c.ordered_at >= b.newest_ordered_at)
        THEN (SELECT max(o.ordered_at) FROM orders AS o WHERE o.items <> '{}')
    ELSE greatest(b.newest_ordered_at, (SELECT max(c.ordered_at) FROM signed_orders AS c WHERE c.sign > 0))
END AS ordered_at
FROM base AS b;
