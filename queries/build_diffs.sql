-- name: BuildDiffCount :one
-- Counts the items and pairs that only one of two builds has, by subtracting those that both have from
-- the totals: one join instead of three.
WITH items AS (
    SELECT count(*) AS in_both
    FROM item_stats AS n
    JOIN item_stats AS o ON o.build_id = @before_id::bigint AND o.item_id = n.item_id
    WHERE n.build_id = @after_id::bigint
), pairs AS (
    SELECT count(*) AS in_both
    FROM item_pairs AS n
    JOIN item_pairs AS o ON o.build_id = @before_id AND o.item_a = n.item_a AND o.item_b = n.item_b
    WHERE n.build_id = @after_id
)
SELECT (n.items - i.in_both)::bigint AS items_appeared, (o.items - i.in_both)::bigint AS items_vanished,
       (n.pairs - p.in_both)::bigint AS pairs_appeared, (o.pairs - p.in_both)::bigint AS pairs_vanished
FROM builds AS o
JOIN builds AS n ON n.build_id = @after_id
CROSS JOIN items AS i
CROSS JOIN pairs AS p
WHERE o.build_id = @before_id;

-- name: BuildDiffPairList :many
-- Pairs that build has and another does not, those in the most orders first. item_a is the first by name.
SELECT least(a.name, b.name)::text AS item_a, greatest(a.name, b.name)::text AS item_b, p.orders_together
FROM item_pairs AS p
JOIN items AS a ON a.item_id = p.item_a
JOIN items AS b ON b.item_id = p.item_b
WHERE p.build_id = @in_id::bigint
  AND NOT EXISTS (
      SELECT FROM item_pairs AS o
      WHERE o.build_id = @not_in_id::bigint AND o.item_a = p.item_a AND o.item_b = p.item_b
  )
ORDER BY p.orders_together DESC, least(a.name, b.name), greatest(a.name, b.name)
LIMIT @lim;

-- name: BuildDiffMoveList :many
-- Pairs in both builds whose affinity changed most, in one direction each. A rank is 0 if the other item
-- is not among the stored neighbours.
WITH known AS NOT MATERIALIZED (
    SELECT i.item_id, i.name, o.mass AS mass_before, n.mass AS mass_after
    FROM items AS i
    JOIN item_stats AS o ON o.build_id = @before_id::bigint AND o.item_id = i.item_id
    JOIN item_stats AS n ON n.build_id = @after_id::bigint AND n.item_id = i.item_id
), directed AS (
    SELECT CASE WHEN d.back THEN b.item_id ELSE a.item_id END AS item_id,
           CASE WHEN d.back THEN a.item_id ELSE b.item_id END AS other_id,
           CASE WHEN d.back THEN b.name ELSE a.name END AS item,
           CASE WHEN d.back THEN a.name ELSE b.name END AS other,
           o.orders_together AS orders_before, n.orders_together AS orders_after,
           affinity(o.orders_together, o.weight, CASE WHEN d.back THEN b.mass_before ELSE a.mass_before END,
                    CASE WHEN d.back THEN a.mass_before ELSE b.mass_before END, x.shrinkage,
                    x.popularity_exponent) AS affinity_before,
           affinity(n.orders_together, n.weight, CASE WHEN d.back THEN b.mass_after ELSE a.mass_after END,
                    CASE WHEN d.back THEN a.mass_after ELSE b.mass_after END, y.shrinkage,
                    y.popularity_exponent) AS affinity_after
    FROM item_pairs AS o
    JOIN item_pairs AS n ON n.build_id = @after_id AND n.item_a = o.item_a AND n.item_b = o.item_b
    JOIN known AS a ON a.item_id = o.item_a
    JOIN known AS b ON b.item_id = o.item_b
    JOIN builds AS x ON x.build_id = @before_id
    JOIN builds AS y ON y.build_id = @after_id
    CROSS JOIN (SELECT false AS back UNION ALL SELECT true) AS d
    WHERE o.build_id = @before_id
), moves AS (
    SELECT d.*
    FROM directed AS d
    WHERE d.affinity_before <> d.affinity_after
    ORDER BY abs(d.affinity_after - d.affinity_before) DESC, d.item, d.other
    LIMIT @lim
)
SELECT m.item::text AS item, m.other::text AS other, m.affinity_before::float8 AS affinity_before,
       m.affinity_after::float8 AS affinity_after,
       coalesce(p.neighbour_rank, 0)::bigint AS rank_before,
       coalesce(q.neighbour_rank, 0)::bigint AS rank_after, m.orders_before, m.orders_after
FROM moves AS m
LEFT JOIN item_neighbours AS p ON p.build_id = @before_id AND p.item_id = m.item_id
    AND p.other_id = m.other_id
LEFT JOIN item_neighbours AS q ON q.build_id = @after_id AND q.item_id = m.item_id AND q.other_id = m.other_id
ORDER BY abs(m.affinity_after - m.affinity_before) DESC, m.item, m.other
LIMIT @lim;
