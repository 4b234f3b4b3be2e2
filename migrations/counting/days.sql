-- The last year by day. A delta build takes the days of its base and adds or subtracts changed orders. If
-- the newest orders were deleted, the year begins on days that the base does not have.
CREATE TEMPORARY TABLE last_year ON COMMIT DROP AS
SELECT r.build_id, r.base_build, (n.ordered_at AT TIME ZONE 'UTC')::date AS day,
       (b.newest_ordered_at AT TIME ZONE 'UTC')::date AS base_day
FROM builds AS r
CROSS JOIN newest_order AS n
LEFT JOIN builds AS b ON b.build_id = r.base_build
WHERE r.status = 'running';

CREATE TEMPORARY VIEW dated_orders AS
SELECT o.day, o.items, o.sign
FROM counted_orders AS o
WHERE o.day > (SELECT greatest(y.day, y.base_day) FROM last_year AS y) - 365
UNION ALL
SELECT d.day, o.items, 1
FROM orders AS o
CROSS JOIN LATERAL (SELECT (o.ordered_at AT TIME ZONE 'UTC')::date AS day) AS d
WHERE (SELECT y.day < y.base_day FROM last_year AS y)
  AND d.day > (SELECT y.day FROM last_year AS y) - 365
  AND d.day <= (SELECT y.base_day FROM last_year AS y) - 365;

CREATE TABLE new_item_days AS
SELECT (SELECT y.build_id FROM last_year AS y) AS build_id, d.day, d.item_id, sum_bigint(d.orders) AS orders
FROM (
    SELECT o.day, unnest(o.items) AS item_id, o.sign AS orders FROM dated_orders AS o
    UNION ALL
    SELECT d.day, d.item_id, d.orders
    FROM item_days AS d
    WHERE d.build_id = (SELECT y.base_build FROM last_year AS y)
      AND d.day > (SELECT y.day FROM last_year AS y) - 365
) AS d
GROUP BY d.day, d.item_id
HAVING sum_bigint(d.orders) > 0;

CREATE TABLE new_order_days AS
SELECT (SELECT y.build_id FROM last_year AS y) AS build_id, d.day, sum_bigint(d.orders) AS orders
FROM (
    SELECT o.day, o.sign AS orders FROM dated_orders AS o
    UNION ALL
    SELECT d.day, d.orders
    FROM order_days AS d
    WHERE d.build_id = (SELECT y.base_build FROM last_year AS y)
      AND d.day > (SELECT y.day FROM last_year AS y) - 365
) AS d
GROUP BY d.day
HAVING sum_bigint(d.orders) > 0;
DROP VIEW dated_orders;

ALTER TABLE new_item_days
    ALTER build_id SET NOT NULL, ALTER day SET NOT NULL, ALTER item_id SET NOT NULL,
    ALTER orders SET NOT NULL, ADD CONSTRAINT new_item_days_pkey PRIMARY KEY (day, item_id, build_id);
