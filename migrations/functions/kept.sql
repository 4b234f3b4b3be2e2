-- Answers to default questions from the kept neighbours alone, for use while no rule and no inactive item
-- removes anything. Each function returns all lim rows of the answer, or fewer if it cannot; answer()
-- then ranks in full. They are plain SQL, so that they are inlined into the calling statement. build is
-- the ID of b, a separate parameter so that partitions are pruned when the statement starts.
--
-- LIMIT 1 makes a join a lookup: the planner cannot know how few rows there are.

-- Returns similar items as the build ranked them.
CREATE OR REPLACE FUNCTION kept_similar(build bigint, b builds, item text, lim bigint)
RETURNS SETOF recommendation LANGUAGE sql STABLE PARALLEL SAFE ROWS 5
AS $$
SELECT n.similar_rank, o.name, least(n.similarity, 1),
       bought_together(b, n.orders_together, s.orders, s.baskets, i.name), 'pair', n.other_popularity_rank,
       n.orders_together, n.confidence, n.lift, NULL::bigint[], a.category, a.label, a.url, a.image_url,
       a.price
FROM items AS i
CROSS JOIN LATERAL (
    SELECT x.* FROM item_stats AS x WHERE x.build_id = build AND x.item_id = i.item_id LIMIT 1
) AS s
CROSS JOIN LATERAL (
    SELECT x.*
    FROM item_neighbours AS x
    WHERE x.build_id = build AND x.item_id = i.item_id AND x.similar_rank <= lim
    ORDER BY x.similar_rank
    LIMIT lim
) AS n
CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = n.other_id LIMIT 1) AS o
LEFT JOIN item_attributes AS a ON a.item_id = n.other_id
WHERE i.name = item
$$;

-- Ranks items for a basket by the sums of their values over its seeds. It needs all names to be known, no
-- popular item to come before the lim-th item (rank_sums), and no pair that was not kept to be better
-- evidence than a kept one. Sums of floats depend on their order, which is that of the seeds.
CREATE OR REPLACE FUNCTION kept_basket(build bigint, b builds, names text[], lim bigint)
RETURNS SETOF recommendation LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
WITH seeds AS MATERIALIZED (
    SELECT s.item_id, i.name, s.orders, s.baskets, row_number() OVER (ORDER BY s.baskets_rank) AS place
    FROM items AS i
    CROSS JOIN LATERAL (
        SELECT x.* FROM item_stats AS x WHERE x.build_id = build AND x.item_id = i.item_id LIMIT 1
    ) AS s
    WHERE i.name = ANY (names)
), basket AS MATERIALIZED (
    SELECT count(*) AS seeds, array_agg(s.item_id) AS ids,
           overlap_share(b.overlap_discount, count(*)) AS share,
           prior_of(b, sum(1::float8 / (s.baskets + 1)), count(*)) AS prior,
           1 - b.popularity_exponent AS exponent
    FROM seeds AS s
), candidates AS MATERIALIZED (
    SELECT n.*, s.place, greatest(n.affinity - k.share * n.overlap, 0) AS value
    FROM basket AS k
    CROSS JOIN seeds AS s
    CROSS JOIN LATERAL (
        SELECT x.other_id, x.other_baskets, x.other_baskets_rank, x.other_popularity_rank, x.affinity,
               x.overlap, x.neighbour_rank, x.orders_together, x.confidence, x.lift
        FROM item_neighbours AS x
        WHERE x.build_id = build AND x.item_id = s.item_id
    ) AS n
    ORDER BY n.other_id, s.place
), best AS MATERIALIZED (
    SELECT c.other_id, max(c.affinity) AS affinity, min(c.other_baskets_rank) AS tie,
           sum(c.value) + k.prior * power(min(c.other_baskets), k.exponent) AS total
    FROM candidates AS c
    CROSS JOIN basket AS k
    WHERE c.other_id <> ALL (k.ids)
    GROUP BY c.other_id, k.prior, k.exponent
    ORDER BY total DESC, tie
    LIMIT lim
), certain AS MATERIALIZED (
    SELECT k.seeds
    FROM basket AS k
    WHERE k.seeds = cardinality(names)
      AND (SELECT min(x.total) FROM best AS x HAVING count(*) = lim) >= k.prior * (
          SELECT power(x.orders, k.exponent)
          FROM item_stats AS x
          WHERE x.build_id = build AND x.popularity_rank = 1)
      AND (SELECT min(x.affinity) FROM best AS x) > coalesce(
          (SELECT max(c.affinity) FROM candidates AS c WHERE c.neighbour_rank = b.neighbours_kept), 0)
), evidence AS MATERIALIZED (
    SELECT DISTINCT ON (f.total, f.tie) f.total, c.*
    FROM best AS f
    JOIN candidates AS c ON c.other_id = f.other_id
    ORDER BY f.total DESC, f.tie, c.affinity DESC, c.place
)
SELECT row_number() OVER (ORDER BY e.total DESC, e.other_baskets_rank), i.name, least(e.total / k.seeds, 1),
       bought_together(b, e.orders_together, s.orders, s.baskets, s.name), 'pair', e.other_popularity_rank,
       e.orders_together, e.confidence, e.lift, NULL::bigint[], a.category, a.label, a.url, a.image_url,
       a.price
FROM certain AS k
CROSS JOIN evidence AS e
JOIN seeds AS s ON s.place = e.place
CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = e.other_id LIMIT 1) AS i
LEFT JOIN item_attributes AS a ON a.item_id = e.other_id
$$;
