-- The orders that the running build counts, with the weights of its settings.
--
-- weight is 1 / (size - 1) of a counted basket in units of 2^-38, decayed by age; NULL for other orders.
-- mass is the decayed weight of an order; NULL without a half-life. Orders do not decay further after 28
-- half-lives: 1024 units are left, so that no pair's weight, which is a divisor, is 0. (After 1100
-- half-lives power() would underflow, an error in PostgreSQL.)
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
  -- A day has 24 hours, regardless of daylight saving time. An order without a time has no age.
  AND (b.window_days IS NULL
       OR o.ordered_at > (SELECT n.ordered_at FROM newest AS n) - b.window_days * interval '24 hours')
  AND (b.half_life_days IS NULL OR o.ordered_at IS NOT NULL);
