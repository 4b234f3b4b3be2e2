-- What a load and a build of alsobought leave, for DuckDB: numbered items and orders, lines with their
-- quantities, counts and ranks of items, pairs with weights, the best 50 others by affinity, and overlaps. No
-- audit, no rejects, no keys; one file that nobody else writes.
CREATE TEMP TABLE rows AS
SELECT * FROM read_csv(getvariable('orders'), header = true, columns = {
    'order_id': 'VARCHAR', 'item_name': 'VARCHAR', 'quantity': 'DECIMAL(18,6)', 'ordered_at': 'TIMESTAMP',
    'customer_id': 'VARCHAR'
}, buffer_size = 4000000);

CREATE TABLE items AS
SELECT (row_number() OVER (ORDER BY n.item_name))::INTEGER AS item_id, n.item_name
FROM (SELECT DISTINCT r.item_name FROM rows AS r) AS n;

CREATE TABLE orders AS
SELECT (row_number() OVER ())::INTEGER AS order_id, r.order_id AS external_id,
       min(r.ordered_at) AS ordered_at,
       min(r.customer_id) AS customer_id
FROM rows AS r
GROUP BY r.order_id;

CREATE TABLE order_lines AS
SELECT o.order_id, i.item_id, sum(r.quantity) AS quantity
FROM rows AS r
JOIN orders AS o ON o.external_id = r.order_id
JOIN items AS i ON i.item_name = r.item_name
GROUP BY o.order_id, i.item_id;

CREATE TEMP TABLE counted_lines AS
SELECT l.order_id, l.item_id, (274877906944 // (s.size - 1))::BIGINT AS weight
FROM order_lines AS l
JOIN (
    SELECT k.order_id, count(*) AS size FROM order_lines AS k
    GROUP BY k.order_id
    HAVING count(*) BETWEEN 2 AND 100
) AS s ON s.order_id = l.order_id;

CREATE TABLE item_stats AS
SELECT a.item_id, a.orders, coalesce(b.baskets, 0) AS baskets,
       row_number() OVER (ORDER BY a.orders DESC, i.item_name) AS popularity_rank,
       row_number() OVER (ORDER BY coalesce(b.baskets, 0) DESC, i.item_name) AS baskets_rank
FROM (SELECT l.item_id, count(*) AS orders FROM order_lines AS l GROUP BY l.item_id) AS a
LEFT JOIN (SELECT c.item_id, count(*) AS baskets FROM counted_lines AS c GROUP BY c.item_id) AS b
    ON b.item_id = a.item_id
JOIN items AS i ON i.item_id = a.item_id;

CREATE TABLE item_pairs AS
SELECT a.item_id AS item_a, b.item_id AS item_b, count(*) AS orders_together,
       sum(a.weight)::BIGINT / 274877906944.0::DOUBLE AS weight
FROM counted_lines AS a
JOIN counted_lines AS b ON b.order_id = a.order_id AND b.item_id > a.item_id
GROUP BY a.item_id, b.item_id;

CREATE TABLE item_neighbours AS
SELECT *
FROM (
    SELECT v.*, row_number() OVER (PARTITION BY v.item_id ORDER BY v.affinity DESC, v.other_baskets_rank)
               AS neighbour_rank
    FROM (
        SELECT d.*, o.baskets AS other_baskets, o.baskets_rank AS other_baskets_rank,
               d.orders_together / (d.orders_together + 20.0) * d.weight / (i.baskets * pow(o.baskets, 0.3))
                   AS affinity
        FROM (
            SELECT p.item_a AS item_id, p.item_b AS other_id, p.orders_together, p.weight FROM item_pairs AS p
            UNION ALL
            SELECT p.item_b, p.item_a, p.orders_together, p.weight FROM item_pairs AS p
        ) AS d
        JOIN item_stats AS i ON i.item_id = d.item_id
        JOIN item_stats AS o ON o.item_id = d.other_id
    ) AS v
) AS r
WHERE r.neighbour_rank <= 50;

CREATE TABLE item_overlaps AS
WITH steps AS (
    SELECT n.item_id, n.other_id,
           CASE WHEN n.orders_together < 6 THEN 0
                ELSE n.orders_together * n.orders_together / (n.orders_together * n.orders_together + 225.0)
                     * n.weight / sum(n.weight) OVER (PARTITION BY n.item_id) END AS step
    FROM item_neighbours AS n
    WHERE n.neighbour_rank <= 20
)
SELECT t.item_id, k.other_id,
       sum((t.step * k.affinity * 288230376151711744)::BIGINT)::BIGINT / 288230376151711744.0::DOUBLE
           AS overlap
FROM steps AS t
JOIN item_neighbours AS k ON k.item_id = t.other_id
JOIN item_neighbours AS j ON j.item_id = t.item_id AND j.other_id = k.other_id
WHERE t.step > 0
GROUP BY t.item_id, k.other_id;
