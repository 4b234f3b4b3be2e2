-- The best others of every item by affinity; ties by baskets_rank.
CREATE TABLE item_neighbours_:build AS
WITH directed AS (
    SELECT p.item_a AS item_id, p.item_b AS other_id, p.orders_together, p.weight FROM item_pairs_:build AS p
    UNION ALL
    SELECT p.item_b, p.item_a, p.orders_together, p.weight FROM item_pairs_:build AS p
), valued AS (
    SELECT d.item_id, d.other_id, o.baskets AS other_baskets, o.baskets_rank AS other_baskets_rank,
           affinity(d.orders_together, d.weight, i.baskets, o.baskets, b.shrinkage, b.popularity_exponent) AS affinity
    FROM directed AS d
    JOIN item_stats_:build AS i ON i.item_id = d.item_id
    JOIN item_stats_:build AS o ON o.item_id = d.other_id
    CROSS JOIN builds AS b
    WHERE b.build_id = :build
), ranked AS (
    SELECT v.*, row_number() OVER (PARTITION BY v.item_id ORDER BY v.affinity DESC, v.other_baskets_rank) AS neighbour_rank
    FROM valued AS v
)
SELECT :build::bigint AS build_id, r.item_id, r.neighbour_rank, r.other_id, r.affinity, r.other_baskets, r.other_baskets_rank
FROM ranked AS r
WHERE r.neighbour_rank <= (SELECT b.neighbours_kept FROM builds AS b WHERE b.build_id = :build);
