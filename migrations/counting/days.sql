-- The last year by days.
CREATE TABLE new_item_days AS
SELECT l.build_id, l.day, l.item_id, count(*) AS orders
FROM (
    SELECT b.build_id, o.day, unnest(o.items) AS item_id
    FROM counted_orders AS o
    CROSS JOIN builds AS b
    WHERE b.status = 'running' AND o.day > (SELECT max(x.day) FROM counted_orders AS x) - 365
) AS l
GROUP BY l.build_id, l.day, l.item_id;

CREATE TABLE new_order_days AS
SELECT b.build_id, o.day, count(*) AS orders
FROM counted_orders AS o
CROSS JOIN builds AS b
WHERE b.status = 'running' AND o.day > (SELECT max(x.day) FROM counted_orders AS x) - 365
GROUP BY b.build_id, o.day;

ALTER TABLE new_item_days
    ALTER build_id SET NOT NULL, ALTER day SET NOT NULL, ALTER item_id SET NOT NULL,
    ALTER orders SET NOT NULL, ADD CONSTRAINT new_item_days_pkey PRIMARY KEY (day, item_id, build_id);
