-- What a full build counts: all orders of which something is bought, but those of the temporary table held_out
-- (order_id bigint), into which an evaluation puts some. A delta build has orders with the sign -1 as well.
CREATE TEMPORARY VIEW signed_orders AS
SELECT 1::bigint AS sign, o.order_id, o.items, o.ordered_at
FROM orders AS o
WHERE o.items <> '{}' AND NOT EXISTS (SELECT FROM held_out AS h WHERE h.order_id = o.order_id);

CREATE TEMPORARY VIEW newest_order AS SELECT max(o.ordered_at) AS ordered_at FROM signed_orders AS o;
