-- The ranking of items for the seeds of a question, by counts alone. Rules and the catalogue are applied
-- on top of it (rules.sql).
--
--   * Items rank by the sum of their values over the seeds; ties by baskets_rank.
--   * Affinity subtracts what a seed contributes only through other items (overlap), more for larger
--     baskets; if little is known of the seeds, popularity contributes (prior). See docs/scoring.md.
--   * Similar items multiply affinity by other_baskets^similar_exponent.
--   * Popular items fill the places left empty, unless the question is strict. If the prior of a popular
--     item exceeds the sum of a candidate, it comes before it.
--
-- Scores lie in [0, 1] and never rise down the list: the mean value over the seeds, at most 1; for count
-- the share of their baskets; for lift, which has no upper bound, m / (1 + m) of the mean m.

-- Returns the contribution of popularity for an item in a single order; rarity is the sum of 1 / (baskets
-- + 1) over the seeds. The constant 1.2 keeps it finite if chance explains everything.
CREATE OR REPLACE FUNCTION prior_of(b builds, rarity float8, seeds bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN b.basket_lines = 0 THEN 0
            ELSE b.popularity_prior * power(b.chance_share, 3) / (1.2 - b.chance_share) / b.basket_lines
                 * rarity / seeds END;

CREATE OR REPLACE FUNCTION popularity_prior(b builds, q question, seeds seed[]) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF q.measure <> 'affinity' OR q.kind = 'similar' THEN
        RETURN 0;
    END IF;
    RETURN prior_of(b, (SELECT sum(1::float8 / (s.baskets + 1)) FROM unnest(seeds) AS s), cardinality(seeds));
END
$$;

CREATE OR REPLACE FUNCTION score_of(measure text, total float8, divisor float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN total = 0 THEN 0
            WHEN measure = 'lift' THEN total / (divisor + total)
            ELSE least(total / divisor, 1) END;

-- Ranks similar items as the build ranked them.
CREATE OR REPLACE FUNCTION rank_similar(b builds, q question, seeds seed[], excluded bigint[],
    lim bigint) RETURNS SETOF ranked_item
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
AS $$
DECLARE
    seed  bigint := seeds[1].item_id;
    found bigint;
BEGIN
    RETURN QUERY
        SELECT n.similar_rank, n.other_id, least(n.similarity, 1), 'pair',
               NULL::bigint, NULL::bigint[], NULL::bigint
        FROM item_neighbours AS n
        WHERE n.build_id = b.build_id AND n.item_id = seed AND n.similar_rank <= lim
        ORDER BY n.similar_rank
        LIMIT lim;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < lim AND q.fill THEN
        RETURN QUERY
            SELECT found + row_number() OVER (ORDER BY s.popularity_rank), s.item_id, 0::float8, 'popular',
                   NULL::bigint, NULL::bigint[], NULL::bigint
            FROM item_stats AS s
            WHERE s.build_id = b.build_id AND s.item_id <> seed AND s.item_id NOT IN (SELECT unnest(excluded))
              AND s.item_id NOT IN (SELECT n.other_id FROM item_neighbours AS n
                  WHERE n.build_id = b.build_id AND n.item_id = seed)
            ORDER BY s.popularity_rank
            LIMIT lim - found;
    END IF;
END
$$;

-- Sums the values for a basket from the kept neighbours of its items. Sums of floats depend on their
-- order, which is that of the seeds.
CREATE OR REPLACE FUNCTION sum_neighbours(b builds, seeds seed[], prior float8, lim bigint) RETURNS sums
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    ids      bigint[] := seed_ids(seeds);
    share    float8 := overlap_share(b.overlap_discount, cardinality(seeds));
    exponent float8 := 1 - b.popularity_exponent;
    best     sums;
BEGIN
    WITH candidates AS (
        SELECT n.other_id, n.other_baskets, n.other_baskets_rank,
               greatest(n.affinity - share * n.overlap, 0) AS value
        FROM unnest(ids) WITH ORDINALITY AS s(item_id, place)
        JOIN item_neighbours AS n ON n.build_id = b.build_id AND n.item_id = s.item_id
        WHERE n.other_id <> ALL (ids)
        ORDER BY n.other_id, s.place
    ), totals AS (
        SELECT c.other_id AS item_id, min(c.other_baskets_rank) AS tie,
               sum(c.value) + prior * power(min(c.other_baskets), exponent) AS total
        FROM candidates AS c
        GROUP BY c.other_id
    ), first AS (
        SELECT t.* FROM totals AS t ORDER BY t.total DESC, t.tie LIMIT lim
    )
    SELECT array_agg(f.item_id ORDER BY f.total DESC, f.tie), array_agg(f.total ORDER BY f.total DESC, f.tie),
           (SELECT array_agg(t.item_id) FROM totals AS t WHERE prior > 0)
    INTO best
    FROM first AS f;
    RETURN best;
END
$$;

-- Sums the values from all pairs of the seeds, for any measure, threshold or filter.
CREATE OR REPLACE FUNCTION sum_pairs(
    b builds, q question, seeds seed[], excluded bigint[], allowed bigint[], prior float8, lim bigint
) RETURNS sums LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    share    float8 := overlap_share(b.overlap_discount, cardinality(seeds));
    boost    float8 := CASE WHEN q.kind = 'similar'
        AND q.measure = 'affinity' THEN b.similar_exponent ELSE 0 END;
    exponent float8 := 1 - b.popularity_exponent;
    best     sums;
BEGIN
    WITH candidates AS (
        SELECT c.item_id, c.baskets, c.baskets_rank, greatest(c.value - share * c.overlap, 0) AS value
        FROM pair_candidates(b, q, seeds, excluded, allowed) AS c
        ORDER BY c.item_id, c.seed_place
    ), totals AS (
        SELECT c.item_id, min(c.baskets_rank) AS tie,
               sum(c.value) * power(min(c.baskets), boost) + prior * power(min(c.baskets), exponent) AS total
        FROM candidates AS c
        GROUP BY c.item_id
    ), first AS (
        SELECT t.* FROM totals AS t ORDER BY t.total DESC, t.tie LIMIT lim
    )
    SELECT array_agg(f.item_id ORDER BY f.total DESC, f.tie), array_agg(f.total ORDER BY f.total DESC, f.tie),
           (SELECT array_agg(t.item_id) FROM totals AS t WHERE prior > 0)
    INTO best
    FROM first AS f;
    RETURN best;
END
$$;

-- Ranks items by their sums over the seeds, with popular items merged in and appended.
CREATE OR REPLACE FUNCTION rank_sums(b builds, q question, seeds seed[], excluded bigint[], allowed bigint[],
    lim bigint)
RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
AS $$
DECLARE
    exponent float8 := 1 - b.popularity_exponent;
    prior    float8 := popularity_prior(b, q, seeds);
    divisor  float8 := cardinality(seeds);
    best     sums;
    first    bigint;
BEGIN
    IF q.kind <> 'similar' AND neighbours_suffice(b, q, seeds, excluded, allowed) THEN
        best := sum_neighbours(b, seeds, prior, lim);
    ELSE
        best := sum_pairs(b, q, seeds, excluded, allowed, prior, lim);
    END IF;
    IF q.measure = 'count' THEN
        divisor := (SELECT sum(s.baskets) FROM unnest(seeds) AS s);
    END IF;
    -- The most popular item is in the most orders, so no other item has a larger prior.
    SELECT s.orders INTO first FROM item_stats AS s WHERE s.build_id = b.build_id AND s.popularity_rank = 1;
    IF NOT q.fill OR best.totals[lim] >= prior * power(first, exponent) THEN
        RETURN QUERY
            SELECT t.place, t.item_id, score_of(q.measure, t.total, divisor), 'pair',
                   NULL::bigint, NULL::bigint[], NULL::bigint
            FROM unnest(best.item_ids, best.totals) WITH ORDINALITY AS t(item_id, total, place);
        RETURN;
    END IF;
    RETURN QUERY
        WITH popular AS (
            SELECT s.item_id, prior * power(s.orders, exponent) AS total, lim + s.popularity_rank AS place
            FROM item_stats AS s
            WHERE s.build_id = b.build_id
              AND s.item_id NOT IN (SELECT unnest(seed_ids(seeds) || excluded || best.item_ids
                  || best.all_ids))
              AND (allowed IS NULL OR s.item_id IN (SELECT unnest(allowed)))
            ORDER BY s.popularity_rank
            LIMIT lim
        ), merged AS (
            SELECT t.item_id, t.total, t.place, 'pair' AS source
            FROM unnest(best.item_ids, best.totals) WITH ORDINALITY AS t(item_id, total, place)
            UNION ALL
            SELECT p.item_id, p.total, p.place, 'popular' FROM popular AS p
        )
        SELECT row_number() OVER (ORDER BY m.total DESC, m.place), m.item_id,
               score_of(q.measure, m.total, divisor), m.source, NULL::bigint, NULL::bigint[], NULL::bigint
        FROM merged AS m
        ORDER BY m.total DESC, m.place
        LIMIT lim;
END
$$;

-- Returns the first lim items for a question, except seeds and excluded items. allowed NULL: any item.
CREATE OR REPLACE FUNCTION rank(b builds, q question, seeds seed[], excluded bigint[], allowed bigint[],
    lim bigint)
RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
AS $$
BEGIN
    IF cardinality(seeds) > 0 THEN
        IF q.kind = 'similar' AND neighbours_suffice(b, q, seeds, excluded, allowed) THEN
            RETURN QUERY SELECT * FROM rank_similar(b, q, seeds, excluded, lim);
        ELSE
            RETURN QUERY SELECT * FROM rank_sums(b, q, seeds, excluded, allowed, lim);
        END IF;
    ELSIF q.fill THEN
        RETURN QUERY SELECT * FROM rank_popular(b, q.days, excluded, allowed, lim);
    END IF;
END
$$;
