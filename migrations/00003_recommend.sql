-- The one definition of every ranking: the API, the command line and the reporting schema all answer from recommend().

-- +goose Up
-- What one asked item i says for another item j, under the measure named. Symbols as in SCORING.md.
-- +goose StatementBegin
CREATE FUNCTION pair_value(
    measure text, orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, baskets bigint,
    shrinkage float8, popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE measure
    WHEN 'affinity' THEN affinity(orders_together, weight, baskets_i, baskets_j, shrinkage, popularity_exponent)
    WHEN 'count' THEN orders_together::float8
    WHEN 'confidence' THEN orders_together::float8 / baskets_i
    WHEN 'cosine' THEN orders_together / sqrt(baskets_i::float8 * baskets_j)
    WHEN 'jaccard' THEN orders_together::float8 / (baskets_i + baskets_j - orders_together)
    WHEN 'lift' THEN orders_together::float8 * baskets / (baskets_i::float8 * baskets_j)
END;
-- +goose StatementEnd

-- recommend ranks, within one build, the items that go with the asked ones (item ids known to the build, each once).
--
--   * The best are those with the largest sum, over the asked items, of pair_value; ties by baskets_rank. Affinity sums the
--     neighbours_kept best rows of each asked item, every other measure all of its pairs.
--   * boosted multiplies affinity by other_baskets^similar_exponent (similar items: SCORING.md).
--   * min_support, min_confidence and excluded take pairs out before anything is ranked, so that the best of what remains is exact.
--   * fill gives the places left empty to the most popular items, marked source = 'popular', score 0.
--   * Nothing asked is the empty rule of association mining: everything is filled by popularity, the confidence is the share of all
--     orders, the lift 1, and the score that share.
--
-- score lies in [0, 1] and never rises down the list: the mean of pair_value over the asked items; for count the share of their baskets;
-- for lift, which has no upper bound, m / (1 + m) of the mean m.
-- The evidence of each row (orders_together, confidence, lift) is that with with_item, the asked item that says most for it; ties by baskets_rank.
-- +goose StatementBegin
CREATE FUNCTION recommend(
    build bigint, asked bigint[], boosted boolean, measure text, min_support bigint, min_confidence float8, excluded bigint[],
    fill boolean, lim bigint
) RETURNS TABLE (
    place bigint, item_id bigint, item_name text, score float8, source text, popularity_rank bigint, orders bigint,
    orders_together bigint, confidence float8, lift float8, with_item text, with_orders bigint
) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
WITH settings AS (
    SELECT b.* FROM builds b WHERE b.build_id = build
), asked_items AS (
    SELECT s.item_id, s.orders, s.baskets, s.baskets_rank
    FROM item_stats s
    WHERE s.build_id = build AND s.item_id = ANY (asked)
), asked_total AS (
    SELECT count(*)::float8 AS items, nullif(sum(a.baskets), 0)::float8 AS baskets FROM asked_items a
), kept AS (
    -- the default question is answered from the ranked rows of the build, without a look at its pairs
    SELECT n.item_id AS asked_id, n.other_id, n.affinity AS value, n.other_baskets, n.other_baskets_rank
    FROM item_neighbours n
    WHERE n.build_id = build AND n.item_id = ANY (asked)
      AND measure = 'affinity' AND min_support <= 1 AND min_confidence <= 0 AND cardinality(excluded) = 0
), asked_pairs AS (
    SELECT p.item_a AS asked_id, p.item_b AS other_id, p.orders_together, p.weight
    FROM item_pairs p
    WHERE p.build_id = build AND p.item_a = ANY (asked)
      AND NOT (measure = 'affinity' AND min_support <= 1 AND min_confidence <= 0 AND cardinality(excluded) = 0)
    UNION ALL
    SELECT p.item_b, p.item_a, p.orders_together, p.weight
    FROM item_pairs p
    WHERE p.build_id = build AND p.item_b = ANY (asked)
      AND NOT (measure = 'affinity' AND min_support <= 1 AND min_confidence <= 0 AND cardinality(excluded) = 0)
), valued AS (
    SELECT p.asked_id, p.other_id, o.baskets AS other_baskets, o.baskets_rank AS other_baskets_rank,
           pair_value(measure, p.orders_together, p.weight, a.baskets, o.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS value
    FROM asked_pairs p
    CROSS JOIN settings t
    JOIN asked_items a ON a.item_id = p.asked_id
    JOIN item_stats o ON o.build_id = build AND o.item_id = p.other_id
    WHERE p.orders_together >= min_support
      -- the confidence as it is shown: c >= min_confidence * n would lose 7 of 100 at a threshold of 0.07
      AND p.orders_together::float8 / a.baskets >= min_confidence
      AND p.other_id <> ALL (excluded)
), numbered AS (
    SELECT v.*, row_number() OVER (PARTITION BY v.asked_id ORDER BY v.value DESC, v.other_baskets_rank) AS neighbour_rank
    FROM valued v
), candidates AS (
    SELECT k.asked_id, k.other_id, k.value, k.other_baskets, k.other_baskets_rank FROM kept k
    UNION ALL
    SELECT n.asked_id, n.other_id, n.value, n.other_baskets, n.other_baskets_rank
    FROM numbered n CROSS JOIN settings t
    WHERE measure <> 'affinity' OR n.neighbour_rank <= t.neighbours_kept
), summed AS (
    -- summed in the order of the tie rule: the same bits whatever the plan, and whatever ids the items got when they were loaded
    SELECT c.other_id, min(c.other_baskets_rank) AS tie,
           sum(c.value ORDER BY a.baskets_rank)
               * CASE WHEN boosted AND measure = 'affinity' THEN power(min(c.other_baskets), min(t.similar_exponent)) ELSE 1 END AS total
    FROM candidates c
    JOIN asked_items a ON a.item_id = c.asked_id
    CROSS JOIN settings t
    WHERE c.other_id <> ALL (asked)
    GROUP BY c.other_id
), best AS (
    SELECT s.other_id, s.total, s.tie FROM summed s ORDER BY s.total DESC, s.tie LIMIT lim
), filled AS (
    SELECT s.item_id AS other_id, s.popularity_rank AS tie, s.orders
    FROM item_stats s
    WHERE fill AND s.build_id = build AND s.item_id <> ALL (asked) AND s.item_id <> ALL (excluded)
      AND NOT EXISTS (SELECT FROM best b WHERE b.other_id = s.item_id)
    ORDER BY s.popularity_rank
    LIMIT greatest(lim - (SELECT count(*) FROM best), 0)
), answers AS (
    SELECT 'pair' AS source, b.other_id, b.tie,
           CASE measure WHEN 'count' THEN b.total / a.baskets
                        WHEN 'lift' THEN b.total / (a.items + b.total)
                        ELSE b.total / a.items END AS score
    FROM best b CROSS JOIN asked_total a
    UNION ALL
    SELECT 'popular', f.other_id, f.tie, CASE WHEN a.items = 0 THEN f.orders::float8 / t.orders ELSE 0 END
    FROM filled f CROSS JOIN asked_total a CROSS JOIN settings t
)
SELECT row_number() OVER (ORDER BY r.source, r.score DESC, r.tie),
       r.other_id, i.name, r.score, r.source, o.popularity_rank, o.orders,
       CASE WHEN a.items = 0 THEN o.orders ELSE coalesce(e.orders_together, 0) END,
       CASE WHEN a.items = 0 THEN o.orders::float8 / t.orders ELSE coalesce(e.orders_together::float8 / e.asked_baskets, 0) END,
       CASE WHEN a.items = 0 THEN 1
            ELSE coalesce(e.orders_together::float8 * t.baskets / (e.asked_baskets::float8 * o.baskets), 0) END,
       w.name, e.asked_orders
FROM answers r
CROSS JOIN settings t
CROSS JOIN asked_total a
-- LIMIT 1 makes it look up each answer: the planner cannot know how few there are, and would read all items to join them
CROSS JOIN LATERAL (SELECT x.name FROM items x WHERE x.item_id = r.other_id LIMIT 1) i
CROSS JOIN LATERAL (
    SELECT s.popularity_rank, s.orders, s.baskets FROM item_stats s WHERE s.build_id = build AND s.item_id = r.other_id LIMIT 1
) o
LEFT JOIN LATERAL (
    SELECT q.item_id AS asked_id, q.orders AS asked_orders, q.baskets AS asked_baskets, p.orders_together
    FROM asked_items q
    JOIN item_pairs p ON p.build_id = build AND p.item_a = least(q.item_id, r.other_id) AND p.item_b = greatest(q.item_id, r.other_id)
    ORDER BY pair_value(measure, p.orders_together, p.weight, q.baskets, o.baskets, t.baskets, t.shrinkage, t.popularity_exponent) DESC,
             q.baskets_rank
    LIMIT 1
) e ON true
LEFT JOIN items w ON w.item_id = e.asked_id
ORDER BY 1
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION recommend;
DROP FUNCTION pair_value;
