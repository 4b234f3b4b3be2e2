-- Reports over the counted baskets and pairs of a build.

-- Bundles of three items that share at least min_support counted baskets, by lift. item: only bundles
-- with it. min_support NULL: a thousandth of all baskets, but at least 5. confidence is that of the third
-- item given the two others, the lowest of the three.
--
-- Only triples whose three pairs have the support are counted (Apriori). The cost is that of every such
-- triple in every basket, so it grows fast as min_support falls.
CREATE OR REPLACE FUNCTION reporting.bundles(
    item text DEFAULT NULL, lim integer DEFAULT 20, min_support bigint DEFAULT NULL,
    build bigint DEFAULT NULL
) RETURNS TABLE (
    item_a text, item_b text, item_c text, orders_together bigint, support float8, confidence float8,
    lift float8, build_id bigint, built_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET jit = off SET plan_cache_mode = force_custom_plan SET join_collapse_limit = 1
    SET enable_mergejoin = off SET enable_nestloop = off SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    b      builds := (SELECT f FROM find_build(check_build(build)) AS f);
    fewest bigint := coalesce(min_support, greatest(ceil(b.baskets / 1000.0), 5));
    seed  bigint := CASE WHEN item IS NOT NULL THEN (known_items(ARRAY[item]))[1] END;
    often  bigint[]; -- items of pairs with enough support
BEGIN
    PERFORM check_bounds('lim', lim, 1, 100000), check_bounds('min_support', fewest, 2, 1e18);
    often := ARRAY(
        SELECT u.item_id
        FROM item_pairs AS p
        CROSS JOIN unnest(ARRAY[p.item_a, p.item_b]) AS u(item_id)
        WHERE p.build_id = b.build_id AND p.orders_together >= fewest
        GROUP BY u.item_id
    );
    RETURN QUERY
        WITH pairs AS MATERIALIZED (
            SELECT p.item_a, p.item_b, p.orders_together
            FROM item_pairs AS p
            WHERE p.build_id = b.build_id AND p.orders_together >= fewest
        ), triples AS (
            -- a < b < c, as in item_pairs; each pair is looked up as soon as it is known
            SELECT t.item_a, t.item_b, t.item_c, count(*) AS orders_together,
                   greatest(min(t.together_ab), min(ac.orders_together), min(bc.orders_together)) AS pair_most
            FROM (
                SELECT d.item_a, d.item_b, unnest(d.items) AS item_c, ab.orders_together AS together_ab
                FROM (
                    SELECT s.item_a, unnest(s.items) AS item_b, s.items
                    FROM (
                        SELECT unnest(k.items) AS item_a, k.items
                        FROM reduced_baskets(b, often) AS k
                        WHERE seed IS NULL OR seed = ANY (k.items)
                    ) AS s
                ) AS d
                JOIN pairs AS ab ON ab.item_a = d.item_a AND ab.item_b = d.item_b
            ) AS t
            JOIN pairs AS bc ON bc.item_a = t.item_b AND bc.item_b = t.item_c
            JOIN pairs AS ac ON ac.item_a = t.item_a AND ac.item_b = t.item_c
            WHERE seed IS NULL OR seed IN (t.item_a, t.item_b, t.item_c)
            GROUP BY t.item_a, t.item_b, t.item_c
            HAVING count(*) >= fewest
        )
        SELECT n.names[1], n.names[2], n.names[3], t.orders_together,
               t.orders_together::float8 / b.baskets, t.orders_together::float8 / t.pair_most,
               t.orders_together * b.baskets::float8 * b.baskets
                   / (x.baskets::float8 * y.baskets * z.baskets) AS lift, b.build_id, b.built_at
        FROM triples AS t
        JOIN item_stats AS x ON x.build_id = b.build_id AND x.item_id = t.item_a
        JOIN item_stats AS y ON y.build_id = b.build_id AND y.item_id = t.item_b
        JOIN item_stats AS z ON z.build_id = b.build_id AND z.item_id = t.item_c
        CROSS JOIN LATERAL (
            SELECT array_agg(i.name ORDER BY i.name) AS names
            FROM items AS i
            WHERE i.item_id IN (t.item_a, t.item_b, t.item_c)
        ) AS n
        ORDER BY lift DESC, n.names
        LIMIT lim;
END
$$;

-- Substitutes, which may cannibalise each other: two popular items that share a category or at least
-- min_shared_neighbours of their closest neighbours, and yet are bought together far less often than by
-- chance, or never. lift is at most max_lift, and chance alone would put them together in at least
-- min_expected baskets. Sorted by missing baskets. item: only its substitutes, whether or not it is
-- popular.
--
-- All pairs of the popular items are compared: a thousand items are half a million pairs.
CREATE OR REPLACE FUNCTION reporting.substitutes(
    item text DEFAULT NULL, lim integer DEFAULT 20, max_lift float8 DEFAULT 0.25,
    min_expected float8 DEFAULT 10, min_shared_neighbours integer DEFAULT 5, popular integer DEFAULT 1000,
    build bigint DEFAULT NULL
) RETURNS TABLE (
    item_a text, item_b text, orders_together bigint, expected_together float8, lift float8,
    baskets_a bigint, baskets_b bigint, shared_neighbours bigint, shared_category text, build_id bigint,
    built_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    b     builds := (SELECT f FROM find_build(check_build(build)) AS f);
    seed bigint := CASE WHEN item IS NOT NULL THEN (known_items(ARRAY[item]))[1] END;
BEGIN
    PERFORM check_bounds('lim', lim, 1, 100000), check_bounds('max_lift', max_lift, 0, 1),
            check_bounds('min_expected', min_expected, 0.001, 1e18),
            check_bounds('min_shared_neighbours', min_shared_neighbours, 1, closest_neighbours()),
            check_bounds('popular', popular, 2, 5000);
    RETURN QUERY
        WITH candidates AS MATERIALIZED (
            SELECT s.item_id, i.name, s.baskets, c.category
            FROM item_stats AS s
            JOIN items AS i ON i.item_id = s.item_id
            LEFT JOIN item_attributes AS c ON c.item_id = s.item_id
            WHERE s.build_id = b.build_id AND (s.popularity_rank <= popular OR s.item_id = seed)
        ), apart AS (
            SELECT x.item_id AS id_x, y.item_id AS id_y, x.name AS item_a, y.name AS item_b,
                   x.baskets AS baskets_a, y.baskets AS baskets_b, e.expected,
                   coalesce(p.orders_together, 0) AS orders_together,
                   CASE WHEN x.category = y.category THEN x.category END AS category
            FROM candidates AS x
            JOIN candidates AS y ON y.name > x.name
            CROSS JOIN LATERAL (SELECT x.baskets::float8 * y.baskets / b.baskets AS expected) AS e
            LEFT JOIN item_pairs AS p ON p.build_id = b.build_id AND p.item_a = least(x.item_id, y.item_id)
                                     AND p.item_b = greatest(x.item_id, y.item_id)
            WHERE e.expected >= min_expected AND coalesce(p.orders_together, 0) <= max_lift * e.expected
              AND (seed IS NULL OR seed IN (x.item_id, y.item_id))
        ), closest AS MATERIALIZED (
            SELECT n.item_id, n.other_id
            FROM candidates AS c
            JOIN item_neighbours AS n ON n.build_id = b.build_id AND n.item_id = c.item_id
            WHERE n.neighbour_rank <= closest_neighbours()
        ), sharing AS (
            SELECT x.item_id AS id_x, y.item_id AS id_y, count(*) AS neighbours
            FROM closest AS x
            JOIN closest AS y ON y.other_id = x.other_id
            WHERE seed IS NULL OR seed IN (x.item_id, y.item_id)
            GROUP BY x.item_id, y.item_id
        )
        SELECT a.item_a, a.item_b, a.orders_together, a.expected, a.orders_together / a.expected,
               a.baskets_a, a.baskets_b, coalesce(s.neighbours, 0), a.category, b.build_id, b.built_at
        FROM apart AS a
        LEFT JOIN sharing AS s ON s.id_x = a.id_x AND s.id_y = a.id_y
        WHERE a.category IS NOT NULL OR s.neighbours >= min_shared_neighbours
        ORDER BY a.expected - a.orders_together DESC, a.item_a, a.item_b
        LIMIT lim;
END
$$;
