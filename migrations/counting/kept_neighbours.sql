-- The best neighbours of each item by affinity; ties by baskets_rank. step is how strongly an item leads
-- to each of its closest neighbours: its weight with it as a share of the weights with all of them,
-- reduced if few orders are behind it.
--
-- Hash joins, because the planner does not know how many pairs there are.
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
CREATE UNLOGGED TABLE new_kept_neighbours AS
WITH build AS MATERIALIZED (
    SELECT b.* FROM builds AS b WHERE b.status = 'running'
), stats AS MATERIALIZED (
    SELECT s.*, popularity_divisor(s.mass, (SELECT b.popularity_exponent FROM build AS b)) AS divisor
    FROM new_item_stats AS s
), directed AS (
    SELECT p.item_a AS item_id, p.item_b AS other_id, p.orders_together, p.weight FROM new_item_pairs AS p
    UNION ALL
    SELECT p.item_b, p.item_a, p.orders_together, p.weight FROM new_item_pairs AS p
), valued AS (
    SELECT d.*, i.baskets, o.baskets AS other_baskets, o.baskets_rank AS other_baskets_rank,
           o.popularity_rank AS other_popularity_rank,
           divided_affinity(d.orders_together, d.weight, i.mass, o.divisor,
               (SELECT b.shrinkage FROM build AS b)) AS affinity
    FROM directed AS d
    JOIN stats AS i ON i.item_id = d.item_id
    JOIN stats AS o ON o.item_id = d.other_id
), ranked AS (
    SELECT v.*, row_number() OVER (
               PARTITION BY v.item_id ORDER BY v.affinity DESC, v.other_baskets_rank
           ) AS neighbour_rank
    FROM valued AS v
)
SELECT r.item_id, r.neighbour_rank, r.other_id, r.affinity, r.baskets, r.other_baskets, r.other_baskets_rank,
       r.other_popularity_rank, r.orders_together,
       CASE WHEN r.neighbour_rank <= closest_neighbours()
            THEN step_trust(r.orders_together) * r.weight
                 / sum(r.weight) FILTER (WHERE r.neighbour_rank <= closest_neighbours()) OVER closest
            ELSE 0 END AS step
FROM ranked AS r
WHERE r.neighbour_rank <= (SELECT b.neighbours_kept FROM build AS b)
-- summed in a fixed order, so that equal orders give equal bytes; the rows arrive in this one
WINDOW closest AS (
    PARTITION BY r.item_id ORDER BY r.affinity DESC, r.other_baskets_rank
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
);
RESET enable_nestloop;
RESET enable_mergejoin;
