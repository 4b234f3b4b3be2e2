-- Candidates: the values of other items for each seed, from the kept neighbours of a build if they
-- suffice, otherwise from all its pairs.
--
-- Most functions here are PL/pgSQL, which caches plans: an SQL function with a subquery is planned on
-- each call.

-- Returns the seeds that the build knows, each once, in the order of the tie rule.
CREATE OR REPLACE FUNCTION seeds_of(build bigint, item_ids bigint[]) RETURNS seed[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(s.item_id, i.name, s.orders, s.baskets, s.mass)::seed
        FROM item_stats AS s
        CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = s.item_id LIMIT 1) AS i
        WHERE s.build_id = build AND s.item_id = ANY (item_ids)
        ORDER BY s.baskets_rank
    );
END
$$;

CREATE OR REPLACE FUNCTION seed_ids(seeds seed[]) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(SELECT s.item_id FROM unnest(seeds) AS s);
END
$$;

-- Reports whether the kept neighbours answer the question exactly: the default measure, no thresholds,
-- and none of them excluded.
CREATE OR REPLACE FUNCTION neighbours_suffice(b builds, q question, seeds seed[], excluded bigint[],
    allowed bigint[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN q.measure = 'affinity' AND q.min_support <= 1 AND q.min_confidence <= 0 AND allowed IS NULL
       AND (excluded = '{}' OR NOT EXISTS (
           SELECT FROM item_neighbours AS n
           WHERE n.build_id = b.build_id AND n.item_id = ANY (seed_ids(seeds)) AND n.other_id = ANY (excluded)
       ));
END
$$;

-- Returns the candidates of any measure from all pairs of the seeds; thresholds and exclusions are
-- applied before ranking. For affinity it keeps as many per seed as a build keeps neighbours, and sums
-- their overlaps as a build does.
CREATE OR REPLACE FUNCTION pair_candidates(b builds, q question, seeds seed[], excluded bigint[],
    allowed bigint[])
RETURNS SETOF candidate LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 200
AS $$
DECLARE
    ids bigint[] := seed_ids(seeds);
BEGIN
    RETURN QUERY
        WITH seed_pairs AS (
            SELECT p.item_a AS seed_id, p.item_b AS other_id, p.orders_together, p.weight
            FROM item_pairs AS p
            WHERE p.build_id = b.build_id AND p.item_a = ANY (ids)
            UNION ALL
            SELECT p.item_b, p.item_a, p.orders_together, p.weight
            FROM item_pairs AS p
            WHERE p.build_id = b.build_id AND p.item_b = ANY (ids)
        ), valued AS (
            SELECT p.seed_id, a.place AS seed_place, p.other_id, o.baskets, o.baskets_rank,
                   pair_value(q.measure, p.orders_together, p.weight, a.baskets, o.baskets, a.mass, o.mass,
                              b.baskets, b.shrinkage, b.popularity_exponent) AS value
            FROM seed_pairs AS p
            JOIN unnest(seeds) WITH ORDINALITY AS a(item_id, name, orders, baskets, mass, place)
                ON a.item_id = p.seed_id
            JOIN item_stats AS o ON o.build_id = b.build_id AND o.item_id = p.other_id
            WHERE p.orders_together >= q.min_support
              -- the confidence as displayed: c >= min_confidence * n would lose 7 of 100 at a threshold
              -- of 0.07
              AND p.orders_together::float8 / a.baskets >= q.min_confidence
              AND p.other_id NOT IN (SELECT unnest(excluded))
              AND (allowed IS NULL OR p.other_id IN (SELECT unnest(allowed)))
        ), numbered AS (
            SELECT v.*, row_number() OVER (PARTITION BY v.seed_id ORDER BY v.value DESC,
                   v.baskets_rank) AS neighbour_rank
            FROM valued AS v
        ), item_overlaps AS (
            SELECT n.item_id AS seed_id, k.other_id,
                   sum_bigint((n.step * k.affinity * overlap_units())::bigint)
                       / overlap_units()::float8 AS overlap
            FROM item_neighbours AS n
            JOIN item_neighbours AS k ON k.build_id = b.build_id AND k.item_id = n.other_id
            WHERE q.measure = 'affinity' AND cardinality(ids) > 1 AND b.overlap_discount > 0
              AND n.build_id = b.build_id AND n.item_id = ANY (ids) AND n.step > 0
            GROUP BY n.item_id, k.other_id
        )
        SELECT n.seed_place, n.other_id, n.value, coalesce(o.overlap, 0), n.baskets, n.baskets_rank
        FROM numbered AS n
        LEFT JOIN item_overlaps AS o ON o.seed_id = n.seed_id AND o.other_id = n.other_id
        WHERE (q.measure <> 'affinity' OR n.neighbour_rank <= b.neighbours_kept) AND n.other_id <> ALL (ids);
END
$$;
