-- The source of a full build: all orders with items, except those in the temporary table held_out
-- (order_id bigint), which evaluations fill. The source of a delta build also has orders with sign -1.
CREATE TEMPORARY VIEW signed_orders AS
SELECT 1::bigint AS sign, o.order_id, o.items, o.ordered_at
FROM orders AS o
WHERE o.items <> '{}' AND NOT EXISTS (SELECT FROM held_out AS h WHERE h.order_id = o.order_id);

CREATE TEMPORARY VIEW newest_order AS SELECT max(o.ordered_at) AS ordered_at FROM signed_orders AS o;
