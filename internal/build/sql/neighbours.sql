-- The best others of every item by affinity; ties by baskets_rank. Of these, step says how an item leads to
-- its closest ones: its weights with them as shares of the closest, less where few orders are behind them.
CREATE UNLOGGED TABLE kept_neighbours AS
WITH directed AS (
    SELECT p.item_a AS item_id, p.item_b AS other_id, p.orders_together, p.weight FROM item_pairs_:build AS p
    UNION ALL
    SELECT p.item_b, p.item_a, p.orders_together, p.weight FROM item_pairs_:build AS p
), valued AS (
    SELECT d.item_id, d.other_id, d.orders_together, d.weight, i.baskets, o.baskets AS other_baskets,
           o.baskets_rank AS other_baskets_rank, o.popularity_rank AS other_popularity_rank,
           affinity(d.orders_together, d.weight, i.mass, o.mass, b.shrinkage,
               b.popularity_exponent) AS affinity
    FROM directed AS d
    JOIN item_stats_:build AS i ON i.item_id = d.item_id
    JOIN item_stats_:build AS o ON o.item_id = d.other_id
    CROSS JOIN builds AS b
    WHERE b.build_id = :build
), ranked AS (
    SELECT v.*, row_number() OVER (PARTITION BY v.item_id ORDER BY v.affinity DESC,
           v.other_baskets_rank) AS neighbour_rank
    FROM valued AS v
)
SELECT r.item_id, r.neighbour_rank, r.other_id, r.affinity, r.baskets, r.other_baskets, r.other_baskets_rank,
       r.other_popularity_rank,
       r.orders_together,
       CASE WHEN r.neighbour_rank <= closest_neighbours()
            THEN step_trust(r.orders_together) * r.weight
                 / sum(r.weight) FILTER (WHERE r.neighbour_rank <= closest_neighbours()) OVER closest
            ELSE 0 END AS step
FROM ranked AS r
WHERE r.neighbour_rank <= (SELECT b.neighbours_kept FROM builds AS b WHERE b.build_id = :build)
-- in one order, so that equal orders give equal bytes; in this one, because the rows come in it
WINDOW closest AS (
    PARTITION BY r.item_id ORDER BY r.affinity DESC,
        r.other_baskets_rank ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
);

ANALYZE kept_neighbours;

-- What an item says of another only because its closest neighbours say it: docs/scoring.md. Every step is
-- followed by hash, from the items that have both: the planner would rather follow all steps and see later
-- which of them meet.
SET LOCAL join_collapse_limit = 1;
SET LOCAL enable_mergejoin = off;
CREATE UNLOGGED TABLE item_overlaps AS
SELECT t.item_id, j.other_id,
       sum_bigint((t.step * k.affinity * overlap_units())::bigint) / overlap_units()::float8 AS overlap
FROM kept_neighbours AS t
JOIN kept_neighbours AS j ON j.item_id = t.item_id
JOIN kept_neighbours AS k ON k.item_id = t.other_id AND k.other_id = j.other_id
WHERE t.step > 0
GROUP BY t.item_id, j.other_id;
RESET join_collapse_limit;
RESET enable_mergejoin;

-- With the evidence that an answer shows, ranked as similar items are. In that order, so that the rows of an
-- answer lie together.
CREATE TABLE item_neighbours_:build AS
SELECT :build::bigint AS build_id, n.item_id, n.neighbour_rank, n.other_id, n.affinity, n.other_baskets,
       n.other_baskets_rank, n.step,
       coalesce(o.overlap, 0) AS overlap,
       row_number() OVER (PARTITION BY n.item_id ORDER BY v.similarity DESC,
           n.other_baskets_rank) AS similar_rank,
       v.similarity, n.other_popularity_rank, n.orders_together,
       n.orders_together::float8 / n.baskets AS confidence,
       n.orders_together::float8 * b.baskets / (n.baskets::float8 * n.other_baskets) AS lift
FROM kept_neighbours AS n
CROSS JOIN builds AS b
CROSS JOIN LATERAL (SELECT n.affinity * power(n.other_baskets, b.similar_exponent) AS similarity) AS v
LEFT JOIN item_overlaps AS o ON o.item_id = n.item_id AND o.other_id = n.other_id
WHERE b.build_id = :build;
