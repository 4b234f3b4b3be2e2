-- The simplest way through PostgreSQL, as a good engineer would write it in an hour: what the main job is
-- compared with.
SET LOCAL work_mem = '256MB';
ANALYZE order_rows;

CREATE TABLE lines AS
SELECT DISTINCT order_id, item_name FROM order_rows;
ANALYZE lines;

CREATE TABLE items AS
SELECT item_name, count(*) AS orders FROM lines GROUP BY item_name;

CREATE TABLE pairs AS
SELECT a.item_name AS item_a, b.item_name AS item_b, count(*) AS orders_together
FROM lines AS a
JOIN lines AS b ON b.order_id = a.order_id AND b.item_name > a.item_name
GROUP BY a.item_name, b.item_name;
ANALYZE pairs;

CREATE TABLE top AS
SELECT r.*
FROM (
    SELECT d.*,
           row_number() OVER (PARTITION BY d.item_name ORDER BY d.orders_together DESC, d.other_name) AS place
    FROM (
        SELECT item_a AS item_name, item_b AS other_name, orders_together FROM pairs
        UNION ALL
        SELECT item_b, item_a, orders_together FROM pairs
    ) AS d
) AS r
WHERE r.place <= 50;
CREATE INDEX top_item_name_idx ON top (item_name, place);
