-- The counting alone: numbers, distinct lines, pairs, the 50 others with the most orders together.
CREATE TEMP TABLE rows AS
SELECT r.order_id, r.item_name
FROM read_csv(getvariable('orders'), header = true, all_varchar = true, buffer_size = 4000000) AS r;

CREATE TABLE items AS
SELECT (row_number() OVER (ORDER BY n.item_name))::INTEGER AS item_id, n.item_name
FROM (SELECT DISTINCT r.item_name FROM rows AS r) AS n;

CREATE TABLE orders AS
SELECT (row_number() OVER ())::INTEGER AS order_id, n.external_id
FROM (SELECT DISTINCT r.order_id AS external_id FROM rows AS r) AS n;

CREATE TABLE order_lines AS
SELECT DISTINCT o.order_id, i.item_id
FROM rows AS r
JOIN orders AS o ON o.external_id = r.order_id
JOIN items AS i ON i.item_name = r.item_name;

CREATE TABLE item_stats AS
SELECT l.item_id, count(*) AS orders FROM order_lines AS l GROUP BY l.item_id;

CREATE TABLE item_pairs AS
SELECT a.item_id AS item_a, b.item_id AS item_b, count(*) AS orders_together
FROM order_lines AS a
JOIN order_lines AS b ON b.order_id = a.order_id AND b.item_id > a.item_id
GROUP BY a.item_id, b.item_id;

CREATE TABLE item_neighbours AS
SELECT *
FROM (
    SELECT d.*,
           row_number() OVER (PARTITION BY d.item_id ORDER BY d.orders_together DESC, d.other_id) AS place
    FROM (
        SELECT p.item_a AS item_id, p.item_b AS other_id, p.orders_together FROM item_pairs AS p
        UNION ALL
        SELECT p.item_b, p.item_a, p.orders_together FROM item_pairs AS p
    ) AS d
) AS r
WHERE r.place <= 50;
