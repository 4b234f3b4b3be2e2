-- The orders that the running build counts, as its settings weigh them.
--
-- weight is 1 / (size - 1) of a counted basket, in units of 2^-38 and less by its age; NULL for other orders.
-- mass is what its age leaves of an order, NULL where there is no half-life. After 28 half-lives an order
-- ages no more: 1024 units are left, so that no pair's weight is nothing, for weights are divided by. (After
-- 1100 PostgreSQL would refuse to halve.)
CREATE TEMPORARY VIEW counted_orders AS
WITH newest AS MATERIALIZED (SELECT n.ordered_at FROM newest_order AS n)
SELECT o.sign, o.items, (o.ordered_at AT TIME ZONE 'UTC')::date AS day, s.size,
       CASE WHEN s.size BETWEEN 2 AND b.max_basket THEN o.sign END AS basket,
       CASE WHEN s.size BETWEEN 2 AND b.max_basket THEN o.sign * (u.units / (s.size - 1)) END AS weight,
       CASE WHEN b.half_life_days IS NOT NULL THEN u.units END AS mass
FROM signed_orders AS o
CROSS JOIN builds AS b
CROSS JOIN LATERAL (SELECT cardinality(o.items) AS size) AS s
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.half_life_days IS NULL THEN weight_units()
                ELSE (weight_units() * power(0.5, least(
                    28,
                    extract(epoch FROM (SELECT n.ordered_at FROM newest AS n) - o.ordered_at)
                        / 86400 / b.half_life_days
                )))::bigint END AS units
) AS u
WHERE b.status = 'running'
  -- A day is one of 24 hours, whatever the clocks do where the server stands. An order without a time has no
  -- age.
  AND (b.window_days IS NULL
       OR o.ordered_at > (SELECT n.ordered_at FROM newest AS n) - b.window_days * interval '24 hours')
  AND (b.half_life_days IS NULL OR o.ordered_at IS NOT NULL);
