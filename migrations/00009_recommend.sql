-- The one definition of every ranking, in three steps: ranked() by counts, from which builds are graded; ranking() under rules and catalogue;
-- recommend() with names, evidence and reasons, from which the API, the command line and the reporting schema answer.
--
-- Versions 3 and 4 were earlier forms of this file and the next. A database that has them gives them up here, and keeps its orders.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    IF to_regnamespace('reporting') IS NOT NULL THEN
        DROP SCHEMA reporting CASCADE;
        DROP FUNCTION recommend, pair_value, affinity;
        DELETE FROM goose_db_version WHERE version_id IN (3, 4);
    END IF;
END
$$;
-- +goose StatementEnd

-- The default measure (SCORING.md): the chance w/m_i of reaching j by taking a random basket with i and then a random other item of it,
-- shrunk for rare pairs and curbed for bestsellers. In [0, 1]. See docs/scoring.md. The mass m of an item is its counted baskets n, unless old
-- baskets weigh less: then it may be below 1, and is no bestseller's.
CREATE FUNCTION affinity(
    orders_together bigint, weight float8, mass_i float8, mass_j float8, shrinkage float8, popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN orders_together / (orders_together + shrinkage) * weight / (mass_i * power(greatest(mass_j, 1), popularity_exponent));

-- What one asked item i says for another item j, under the measure named. Symbols as in SCORING.md.
-- +goose StatementBegin
CREATE FUNCTION pair_value(
    measure text, orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, mass_i float8, mass_j float8, baskets bigint,
    shrinkage float8, popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE measure
    WHEN 'affinity' THEN affinity(orders_together, weight, mass_i, mass_j, shrinkage, popularity_exponent)
    WHEN 'count' THEN orders_together::float8
    WHEN 'confidence' THEN orders_together::float8 / baskets_i
    WHEN 'cosine' THEN orders_together / sqrt(baskets_i::float8 * baskets_j)
    WHEN 'jaccard' THEN orders_together::float8 / (baskets_i + baskets_j - orders_together)
    WHEN 'lift' THEN orders_together::float8 * baskets / (baskets_i::float8 * baskets_j)
END;
-- +goose StatementEnd

-- 30245 as 30,245, whatever the language of the server.
CREATE FUNCTION grouped(number bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_char(number, 'FM999,999,999,999,999,999,990');

-- What two items share, in words. Where a build has orders that are too large to count for pairs, it speaks of baskets, not of orders.
CREATE FUNCTION bought_together(build builds, orders_together bigint, orders bigint, baskets bigint, item text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'bought together in ' || grouped(orders_together) || ' of '
    || CASE (build).large_orders WHEN 0 THEN grouped(orders) || ' orders'
                                 ELSE grouped(baskets) || ' baskets of 2 to ' || (build).max_basket || ' items' END
    || ' with ' || item;

-- The orders of a build: all, or those of the last days before its newest one.
-- +goose StatementBegin
CREATE FUNCTION orders_counted(build bigint, days integer) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE days
    WHEN 0 THEN (SELECT b.orders FROM builds b WHERE b.build_id = build)
    ELSE (SELECT coalesce(sum(d.orders), 0)::bigint
          FROM order_days d
          JOIN builds b ON b.build_id = d.build_id
          WHERE d.build_id = build AND d.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - days)
END;
-- +goose StatementEnd

-- One item of a rule. item_id is NULL where no item has the name. asked_only: the rule is for an item that was asked about. hides: the item
-- may not be recommended, because the rule says so, or keeps it apart from an asked item. place: where the item stands in the rule.
CREATE TYPE rule_item AS (rule_id bigint, kind text, asked_only boolean, hides boolean, item_id bigint, place bigint);

-- Of two items pinned the one with the larger pin_order comes first: pinned for an asked item before pinned everywhere, later rules first. An
-- item that several rules pin stands where the first of them puts it.
CREATE FUNCTION pin_order(pin rule_item) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[(pin).asked_only::integer, (pin).rule_id, -(pin).place];

-- All that rules in force say of a question about the asked items. Names are looked up one by one: the planner expects thousands of rules in an
-- empty table, and would read all items for them.
-- +goose StatementBegin
CREATE FUNCTION rules_in_force(asked bigint[]) RETURNS SETOF rule_item LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT r.rule_id, r.kind, r.item IS NOT NULL, r.kind = 'hide' OR (r.kind = 'apart' AND r.items && a.names), i.item_id, n.place
FROM (SELECT coalesce(array_agg(x.name), '{}') AS names FROM items x WHERE x.item_id = ANY (asked)) a
JOIN rules r ON r.item IS NULL OR r.item = ANY (a.names)
CROSS JOIN LATERAL unnest(r.items) WITH ORDINALITY AS n(name, place)
LEFT JOIN LATERAL (SELECT x.item_id FROM items x WHERE x.name = n.name LIMIT 1) i ON true
WHERE now() >= r.valid_from AND (r.valid_until IS NULL OR now() < r.valid_until)
ORDER BY r.rule_id, n.place
$$;
-- +goose StatementEnd

-- ranked ranks, within one build, the items that go with the asked ones (item ids known to the build, each once). It knows no rules.
--
--   * The best are those with the largest sum, over the asked items, of pair_value; ties by baskets_rank. Affinity sums the
--     neighbours_kept best rows of each asked item, every other measure all of its pairs.
--   * Of several asked items, affinity leaves out what one says only by way of others: its overlap, the more the larger the basket. See
--     docs/scoring.md. Where little is known of the asked items, popularity stands in: the prior.
--   * boosted multiplies affinity by other_baskets^similar_exponent (similar items: SCORING.md).
--   * min_support, min_confidence, excluded and allowed (NULL: all) take pairs out before anything is ranked, so that the best of what remains
--     is exact.
--   * fill gives the places left empty to the most popular items, marked source = 'popular'. Where the prior says more for one of them than there
--     is for what shares orders with the asked items, it comes before that.
--   * Nothing asked is the empty rule of association mining: everything is filled by popularity and the score is the share of all orders.
--     With days above 0 popularity is that of the last days before the newest order of the build: recent_orders.
--
-- score lies in [0, 1] and never rises down the list: the mean of pair_value over the asked items, at most 1 (boosted it may be more where old
-- baskets weigh less); for count the share of their baskets; for lift, which has no upper bound, m / (1 + m) of the mean m.
--
-- In PL/pgSQL, because one plan for all that may be asked takes longer to set up than the usual question takes to answer; and with plans for any
-- question, because to plan for one takes longer, too.
-- +goose StatementBegin
CREATE FUNCTION ranked(
    build bigint, asked bigint[], boosted boolean, measure text, min_support bigint, min_confidence float8, excluded bigint[],
    allowed bigint[], days integer, fill boolean, lim bigint
) RETURNS TABLE (place bigint, item_id bigint, score float8, source text, recent_orders bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    settings builds;
    plain    boolean := measure = 'affinity' AND min_support <= 1 AND min_confidence <= 0 AND allowed IS NULL;
    paired   bigint[]; -- all that share orders with the asked items, where popular items are ranked with them
    best     bigint[] := '{}';
    totals   float8[] := '{}';
    divisor  float8 := cardinality(asked);
    discount float8;
    prior    float8 := 0;
BEGIN
    SELECT b.* INTO STRICT settings FROM builds b WHERE b.build_id = build;
    discount := CASE WHEN measure = 'affinity' AND divisor > 1 THEN settings.overlap_discount * (divisor - 1) / (divisor + 4) ELSE 0 END;
    IF plain AND excluded <> '{}' THEN
        plain := NOT EXISTS (
            SELECT FROM item_neighbours n WHERE n.build_id = build AND n.item_id = ANY (asked) AND n.other_id = ANY (excluded)
        );
    END IF;
    IF measure = 'affinity' AND NOT boosted AND asked <> '{}' AND settings.basket_lines > 0 THEN
        SELECT settings.popularity_prior * power(settings.chance_share, 3) / (1.2 - settings.chance_share) / settings.basket_lines
               * sum(1::float8 / (s.baskets + 1) ORDER BY s.baskets_rank) / divisor
        INTO prior
        FROM item_stats s
        WHERE s.build_id = build AND s.item_id = ANY (asked);
    END IF;
    IF asked <> '{}' THEN
        WITH asked_items AS (
            SELECT s.item_id, s.baskets, s.mass, s.baskets_rank FROM item_stats s WHERE s.build_id = build AND s.item_id = ANY (asked)
        ), asked_pairs AS (
            SELECT p.item_a AS asked_id, p.item_b AS other_id, p.orders_together, p.weight
            FROM item_pairs p
            WHERE NOT plain AND p.build_id = build AND p.item_a = ANY (asked)
            UNION ALL
            SELECT p.item_b, p.item_a, p.orders_together, p.weight
            FROM item_pairs p
            WHERE NOT plain AND p.build_id = build AND p.item_b = ANY (asked)
        ), valued AS (
            SELECT p.asked_id, p.other_id, o.baskets AS other_baskets, o.baskets_rank AS other_baskets_rank,
                   pair_value(measure, p.orders_together, p.weight, a.baskets, o.baskets, a.mass, o.mass, settings.baskets,
                              settings.shrinkage, settings.popularity_exponent) AS value
            FROM asked_pairs p
            JOIN asked_items a ON a.item_id = p.asked_id
            JOIN item_stats o ON o.build_id = build AND o.item_id = p.other_id
            WHERE p.orders_together >= min_support
              -- the confidence as it is shown: c >= min_confidence * n would lose 7 of 100 at a threshold of 0.07
              AND p.orders_together::float8 / a.baskets >= min_confidence
              AND p.other_id NOT IN (SELECT unnest(excluded))
              AND (allowed IS NULL OR p.other_id IN (SELECT unnest(allowed)))
        ), numbered AS (
            SELECT v.*, row_number() OVER (PARTITION BY v.asked_id ORDER BY v.value DESC, v.other_baskets_rank) AS neighbour_rank
            FROM valued v
            WHERE measure = 'affinity'
        ), item_overlaps AS (
            -- as a build sums them, for pairs that it does not keep
            SELECT n.item_id AS asked_id, k.other_id,
                   sum_bigint((n.step * k.affinity * 288230376151711744)::bigint) / 288230376151711744::float8 AS overlap
            FROM item_neighbours n
            JOIN item_neighbours k ON k.build_id = build AND k.item_id = n.other_id
            WHERE NOT plain AND discount > 0 AND n.build_id = build AND n.item_id = ANY (asked) AND n.step > 0
            GROUP BY n.item_id, k.other_id
        ), candidates AS (
            -- the default question is answered from the ranked rows of the build, without a look at its pairs
            SELECT n.item_id AS asked_id, n.other_id, n.affinity AS value, n.overlap, n.other_baskets, n.other_baskets_rank
            FROM item_neighbours n
            WHERE plain AND n.build_id = build AND n.item_id = ANY (asked)
            UNION ALL
            SELECT n.asked_id, n.other_id, n.value, coalesce(o.overlap, 0), n.other_baskets, n.other_baskets_rank
            FROM numbered n
            LEFT JOIN item_overlaps o ON o.asked_id = n.asked_id AND o.other_id = n.other_id
            WHERE n.neighbour_rank <= settings.neighbours_kept
            UNION ALL
            SELECT v.asked_id, v.other_id, v.value, 0, v.other_baskets, v.other_baskets_rank
            FROM valued v
            WHERE measure <> 'affinity'
        ), summed AS (
            -- summed in the order of the tie rule: the same bits whatever the plan, and whatever ids the items got when they were loaded
            SELECT c.other_id, min(c.other_baskets_rank) AS tie,
                   sum(greatest(c.value - discount * c.overlap, 0) ORDER BY a.baskets_rank)
                       * CASE WHEN boosted AND measure = 'affinity' THEN power(min(c.other_baskets), settings.similar_exponent) ELSE 1 END
                       + prior * power(min(c.other_baskets), 1 - settings.popularity_exponent) AS total
            FROM candidates c
            JOIN asked_items a ON a.item_id = c.asked_id
            WHERE c.other_id <> ALL (asked)
            GROUP BY c.other_id
        ), first AS (
            SELECT s.* FROM summed s ORDER BY s.total DESC, s.tie LIMIT lim
        )
        SELECT coalesce(array_agg(s.other_id ORDER BY s.total DESC, s.tie), '{}'), coalesce(array_agg(s.total ORDER BY s.total DESC, s.tie), '{}'),
               CASE WHEN measure = 'count' THEN (SELECT sum(a.baskets) FROM asked_items a) ELSE divisor END,
               ARRAY(SELECT s.other_id FROM summed s WHERE prior > 0)
        INTO best, totals, divisor, paired
        FROM first s;
        -- The most popular item is in the most orders: the prior says no more for any other.
        fill := fill AND (cardinality(best) < lim OR totals[lim] < prior * (
            SELECT power(s.orders, 1 - settings.popularity_exponent) FROM item_stats s WHERE s.build_id = build AND s.popularity_rank = 1
        ));
        RETURN QUERY
            SELECT row_number() OVER (ORDER BY m.total DESC, m.turn), m.item_id,
                   CASE WHEN m.total = 0 THEN 0 WHEN measure = 'lift' THEN m.total / (divisor + m.total) ELSE least(m.total / divisor, 1) END,
                   m.source, NULL::bigint
            FROM (
                SELECT b.item_id, b.total, b.turn, 'pair' AS source
                FROM unnest(best, totals) WITH ORDINALITY AS b(item_id, total, turn)
                UNION ALL
                (SELECT s.item_id, prior * power(s.orders, 1 - settings.popularity_exponent), lim + s.popularity_rank, 'popular'
                 FROM item_stats s
                 WHERE fill AND s.build_id = build AND s.item_id NOT IN (SELECT unnest(asked || excluded || best || paired))
                   AND (allowed IS NULL OR s.item_id IN (SELECT unnest(allowed)))
                 ORDER BY s.popularity_rank
                 LIMIT lim)
            ) m
            ORDER BY 1
            LIMIT lim;
        RETURN;
    ELSIF NOT fill THEN
        RETURN;
    END IF;
    divisor := orders_counted(build, days);
    IF days = 0 THEN
        RETURN QUERY
            SELECT row_number() OVER (ORDER BY s.popularity_rank), s.item_id, s.orders / divisor, 'popular', NULL::bigint
            FROM item_stats s
            WHERE s.build_id = build AND s.item_id NOT IN (SELECT unnest(excluded)) AND (allowed IS NULL OR s.item_id IN (SELECT unnest(allowed)))
            ORDER BY s.popularity_rank
            LIMIT lim;
    ELSE
        RETURN QUERY
            SELECT row_number() OVER (ORDER BY r.orders DESC, s.popularity_rank), s.item_id, r.orders / divisor, 'popular', r.orders
            FROM (
                SELECT d.item_id, sum(d.orders)::bigint AS orders
                FROM item_days d
                WHERE d.build_id = build AND d.day > (settings.newest_ordered_at AT TIME ZONE 'UTC')::date - days
                GROUP BY d.item_id
            ) r
            JOIN item_stats s ON s.build_id = build AND s.item_id = r.item_id
            WHERE r.item_id NOT IN (SELECT unnest(excluded)) AND (allowed IS NULL OR r.item_id IN (SELECT unnest(allowed)))
            ORDER BY r.orders DESC, s.popularity_rank
            LIMIT lim;
    END IF;
END
$$;
-- +goose StatementEnd

-- ranking is ranked() under the rules in force and the catalogue.
--
--   * categories (none: all) take out what is of none of them, rules what they hide or do not allow, the catalogue what is not active. The best of
--     what remains is exact.
--   * Items that a rule pins come first, marked source = 'pinned', score 1: what is pinned for an asked item before what is pinned everywhere, later
--     rules first.
--   * Of items that a rule keeps apart the first one is shown.
--
-- Beside the answers it returns, with place NULL and no item, how many items rules left out of them: left_out, by rules, which are '{}' for
-- items that are not active. rules of an answer pinned it. A rule is told that way exactly when the answer would be another without it, as long
-- as no other rule, nor the catalogue, does the same to the same item: then they are told together.
-- +goose StatementBegin
CREATE FUNCTION ranking(
    build bigint, asked bigint[], boosted boolean, measure text, min_support bigint, min_confidence float8, excluded bigint[],
    categories text[], days integer, fill boolean, lim bigint
) RETURNS TABLE (place bigint, item_id bigint, score float8, source text, recent_orders bigint, rules bigint[], left_out bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    law         rule_item[];
    inactive    boolean;
    in_category bigint[];
    hidden      bigint[];
    allowed     bigint[];
    wished      bigint[]; -- what rules put first
    pins        bigint[]; -- those of them that may be recommended
    answered    bigint[] := '{}';
    spoken      bigint[] := '{}'; -- rules that keep items apart, of which one is shown
    told_apart  bigint[] := '{}'; -- those of them that kept others out
    more        bigint;
    met         bigint[];
    listed      record;
BEGIN
    SELECT ARRAY(SELECT f FROM rules_in_force(asked) f), EXISTS (SELECT FROM item_attributes x WHERE NOT x.active) INTO law, inactive;
    IF categories <> '{}' THEN
        in_category := ARRAY(SELECT x.item_id FROM item_attributes x WHERE x.category = ANY (ARRAY(SELECT trimmed(c) FROM unnest(categories) c)));
    END IF;
    IF law = '{}' AND NOT inactive THEN
        RETURN QUERY
            SELECT r.place, r.item_id, r.score, r.source, r.recent_orders, NULL::bigint[], 0::bigint
            FROM ranked(build, asked, boosted, measure, min_support, min_confidence, excluded, in_category, days, fill, lim) r;
        RETURN;
    END IF;

    hidden := ARRAY(SELECT f.item_id FROM unnest(law) f WHERE f.hides AND f.item_id IS NOT NULL
                    UNION SELECT x.item_id FROM item_attributes x WHERE NOT x.active);
    allowed := in_category;
    FOR listed IN SELECT array_remove(array_agg(f.item_id), NULL) AS items FROM unnest(law) f WHERE f.kind = 'allow' GROUP BY f.rule_id LOOP
        allowed := CASE WHEN allowed IS NULL THEN listed.items ELSE ARRAY(SELECT unnest(allowed) INTERSECT SELECT unnest(listed.items)) END;
    END LOOP;
    wished := ARRAY(SELECT f.item_id FROM unnest(law) f JOIN item_stats s ON s.build_id = build AND s.item_id = f.item_id WHERE f.kind = 'pin'
                    EXCEPT SELECT unnest(asked || excluded));
    IF in_category IS NOT NULL THEN
        wished := ARRAY(SELECT unnest(wished) INTERSECT SELECT unnest(in_category));
    END IF;
    pins := ARRAY(SELECT unnest(wished) EXCEPT SELECT unnest(hidden));
    IF allowed IS NOT NULL THEN
        pins := ARRAY(SELECT unnest(pins) INTERSECT SELECT unnest(allowed));
    END IF;
    more := cardinality(pins) + (SELECT count(*) FROM unnest(law) f WHERE f.kind = 'apart');

    place := 0;
    left_out := 0;
    FOR listed IN
        SELECT p.* FROM (
            SELECT f.item_id, 1::float8 AS score, 'pinned' AS source,
                   CASE WHEN days > 0
                        THEN (SELECT coalesce(sum(d.orders), 0)::bigint
                              FROM item_days d
                              JOIN builds b ON b.build_id = d.build_id
                              WHERE d.build_id = build AND d.item_id = f.item_id AND d.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - days)
                   END AS recent_orders,
                   array_agg(DISTINCT f.rule_id) AS rules,
                   row_number() OVER (ORDER BY max(pin_order(f)) DESC) - cardinality(pins) AS turn
            FROM unnest(law) f
            WHERE f.kind = 'pin' AND f.item_id = ANY (pins)
            GROUP BY f.item_id
            UNION ALL
            SELECT r.item_id, r.score, r.source, r.recent_orders, NULL, r.place
            FROM ranked(build, asked, boosted, measure, min_support, min_confidence, excluded || hidden, allowed, days, fill, lim + more) r
            WHERE r.item_id <> ALL (pins)
        ) p
        ORDER BY p.turn
    LOOP
        EXIT WHEN place = lim;
        met := ARRAY(SELECT f.rule_id FROM unnest(law) f WHERE f.kind = 'apart' AND f.item_id = listed.item_id);
        IF met && spoken THEN
            told_apart := told_apart || ARRAY(SELECT unnest(met) INTERSECT SELECT unnest(spoken));
            CONTINUE;
        END IF;
        spoken := spoken || met;
        answered := answered || listed.item_id;
        place := place + 1;
        item_id := listed.item_id;
        score := listed.score;
        source := listed.source;
        recent_orders := listed.recent_orders;
        rules := listed.rules;
        RETURN NEXT;
    END LOOP;

    -- What would be there without what is against it: what comes, in the order without rules, before the last of the answers, or on a place that
    -- is left empty, and is not kept apart from one of them. It is looked for as far as answers usually reach.
    RETURN QUERY
        WITH hiding AS (
            SELECT f.item_id, array_agg(DISTINCT f.rule_id) AS rules FROM unnest(law) f WHERE f.hides GROUP BY f.item_id
        ), allowing AS (
            SELECT f.rule_id, array_remove(array_agg(f.item_id), NULL) AS items FROM unnest(law) f WHERE f.kind = 'allow' GROUP BY f.rule_id
        ), speaking AS (
            SELECT f.rule_id, min(array_position(answered, f.item_id)) AS place FROM unnest(law) f WHERE f.kind = 'apart' GROUP BY f.rule_id
        ), company AS (
            SELECT f.item_id, min(s.place) AS place
            FROM unnest(law) f
            JOIN speaking s ON s.rule_id = f.rule_id
            WHERE f.kind = 'apart'
            GROUP BY f.item_id
        ), open AS (
            SELECT f.item_id, row_number() OVER (ORDER BY max(pin_order(f)) DESC) - cardinality(wished) AS turn
            FROM unnest(law) f
            WHERE f.kind = 'pin' AND f.item_id = ANY (wished)
            GROUP BY f.item_id
            UNION ALL
            SELECT r.item_id, r.place
            FROM ranked(build, asked, boosted, measure, min_support, min_confidence, excluded, in_category, days, fill, 2 * lim + 100) r
            WHERE r.item_id <> ALL (wished)
        ), judged AS (
            SELECT coalesce(h.rules, '{}') || ARRAY(SELECT a.rule_id FROM allowing a WHERE o.item_id <> ALL (a.items) ORDER BY a.rule_id) AS rules,
                   x.item_id IS NOT NULL AS inactive, c.place AS spoken_at,
                   count(*) FILTER (WHERE o.item_id = ANY (answered)) OVER (ORDER BY o.turn) AS answers_before
            FROM open o
            LEFT JOIN hiding h ON h.item_id = o.item_id
            LEFT JOIN company c ON c.item_id = o.item_id
            LEFT JOIN item_attributes x ON x.item_id = o.item_id AND NOT x.active
        )
        SELECT NULL::bigint, NULL::bigint, NULL::float8, NULL, NULL::bigint, o.rules, count(*)
        FROM (
            SELECT j.rules
            FROM judged j
            WHERE (j.rules <> '{}' OR j.inactive) AND j.answers_before < lim AND (j.spoken_at IS NULL OR j.spoken_at > j.answers_before)
            UNION ALL
            SELECT ARRAY[t] FROM unnest(told_apart) t
        ) o
        GROUP BY o.rules;
END
$$;
-- +goose StatementEnd

-- recommend is ranking() with names, attributes (NULL where the catalogue has none), the reason in words, and the evidence: orders_together,
-- confidence and lift with the asked item that says most for the answer; ties by baskets_rank.
-- +goose StatementBegin
CREATE FUNCTION recommend(
    build bigint, asked bigint[], boosted boolean, measure text, min_support bigint, min_confidence float8, excluded bigint[],
    categories text[], days integer, fill boolean, lim bigint
) RETURNS TABLE (
    place bigint, item_id bigint, item_name text, score float8, reason text, source text, popularity_rank bigint,
    orders_together bigint, confidence float8, lift float8, rules bigint[], left_out bigint, attributes jsonb
) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
WITH settings AS (
    SELECT b.* FROM builds b WHERE b.build_id = build
), asked_items AS (
    SELECT s.item_id, s.orders, s.baskets, s.mass, s.baskets_rank
    FROM item_stats s
    WHERE s.build_id = build AND s.item_id = ANY (asked)
)
SELECT r.place, r.item_id, i.name, r.score,
       CASE WHEN r.source = 'pinned' THEN 'put first by rule ' || array_to_string(r.rules, ' and rule ') ELSE '' END
       || CASE WHEN r.source = 'popular' AND cardinality(asked) = 0 THEN ''
               WHEN r.source = 'popular' THEN 'popular: '
               WHEN r.source = 'pinned' THEN ', '
               ELSE '' END
       || CASE WHEN r.source <> 'popular' AND e.asked_id IS NOT NULL
               THEN bought_together(t, e.orders_together, e.asked_orders, e.asked_baskets, w.name)
               ELSE 'in ' || grouped(coalesce(r.recent_orders, o.orders)) || ' of ' || grouped(orders_counted(build, days)) || ' orders'
                    || CASE least(days, t.window_days) WHEN 0 THEN '' WHEN 1 THEN ' of the last day'
                                                       ELSE ' of the last ' || least(days, t.window_days) || ' days' END
          END,
       r.source, o.popularity_rank,
       CASE WHEN cardinality(asked) = 0 THEN coalesce(r.recent_orders, o.orders) ELSE coalesce(e.orders_together, 0) END,
       CASE WHEN cardinality(asked) = 0 THEN coalesce(coalesce(r.recent_orders, o.orders)::float8 / nullif(orders_counted(build, days), 0), 0)
            ELSE coalesce(e.orders_together::float8 / e.asked_baskets, 0) END,
       CASE WHEN cardinality(asked) = 0 THEN 1
            ELSE coalesce(e.orders_together::float8 * t.baskets / (e.asked_baskets::float8 * o.baskets), 0) END,
       r.rules, r.left_out, c.attributes
FROM ranking(build, asked, boosted, measure, min_support, min_confidence, excluded, categories, days, fill, lim) r
CROSS JOIN settings t
-- LIMIT 1 makes it look up each answer: the planner cannot know how few there are, and would read all items to join them
LEFT JOIN LATERAL (SELECT x.name FROM items x WHERE x.item_id = r.item_id LIMIT 1) i ON true
LEFT JOIN LATERAL (
    SELECT s.popularity_rank, s.orders, s.baskets, s.mass FROM item_stats s WHERE s.build_id = build AND s.item_id = r.item_id LIMIT 1
) o ON true
LEFT JOIN LATERAL (
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'category', x.category, 'label', x.label, 'url', x.url, 'image_url', x.image_url, 'price', x.price
    )) AS attributes
    FROM item_attributes x
    WHERE x.item_id = r.item_id
    LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT q.item_id AS asked_id, q.orders AS asked_orders, q.baskets AS asked_baskets, p.orders_together
    FROM asked_items q
    JOIN item_pairs p ON p.build_id = build AND p.item_a = least(q.item_id, r.item_id) AND p.item_b = greatest(q.item_id, r.item_id)
    ORDER BY pair_value(measure, p.orders_together, p.weight, q.baskets, o.baskets, q.mass, o.mass, t.baskets, t.shrinkage, t.popularity_exponent) DESC,
             q.baskets_rank
    LIMIT 1
) e ON r.place IS NOT NULL
LEFT JOIN items w ON w.item_id = e.asked_id
ORDER BY r.place
$$;
-- +goose StatementEnd

-- The ids of those of the names that are known.
CREATE FUNCTION item_ids(names text[]) RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT coalesce(array_agg(i.item_id ORDER BY i.item_id), '{}') FROM items i WHERE i.name = ANY (ARRAY(SELECT trimmed(n) FROM unnest(names) n)));

-- Every measure of two items, from the same counts. Symbols as in SCORING.md; zeros for items that never met.
-- +goose StatementBegin
CREATE FUNCTION pair_measures(
    orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, mass_i float8, mass_j float8, baskets bigint,
    shrinkage float8, popularity_exponent float8
) RETURNS TABLE (
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8, affinity float8, reverse_affinity float8
) LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT coalesce(orders_together::float8 / nullif(baskets, 0), 0),
       coalesce(pair_value('confidence', orders_together, weight, baskets_i, baskets_j, mass_i, mass_j, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('confidence', orders_together, weight, baskets_j, baskets_i, mass_j, mass_i, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('lift', orders_together, weight, baskets_i, baskets_j, mass_i, mass_j, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('cosine', orders_together, weight, baskets_i, baskets_j, mass_i, mass_j, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('jaccard', orders_together, weight, baskets_i, baskets_j, mass_i, mass_j, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('affinity', orders_together, weight, baskets_i, baskets_j, mass_i, mass_j, baskets, shrinkage, popularity_exponent), 0),
       coalesce(pair_value('affinity', orders_together, weight, baskets_j, baskets_i, mass_j, mass_i, baskets, shrinkage, popularity_exponent), 0)
$$;
-- +goose StatementEnd

-- Everything that one build knows of two items, the asked one first. affinity is shrink_factor * reach / popularity_divisor. The newest orders
-- are those that are there now, of the sizes and the window that the build counts.
-- +goose StatementBegin
CREATE FUNCTION explain_pair(build bigint, item bigint, other bigint)
RETURNS TABLE (
    reason text, orders_together bigint, item_orders bigint, other_orders bigint, item_baskets bigint, other_baskets bigint, baskets bigint,
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8,
    affinity float8, shrink_factor float8, reach float8, popularity_divisor float8, weight float8, item_mass float8, other_mass float8,
    shrinkage float8, popularity_exponent float8, neighbour_rank bigint, overlap float8, newest_orders jsonb
) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT bought_together(b, c.orders_together, i.orders, i.baskets, x.name),
       c.orders_together, i.orders, o.orders, i.baskets, o.baskets, b.baskets,
       m.support, m.confidence, m.reverse_confidence, m.lift, m.cosine, m.jaccard,
       m.affinity, coalesce(c.orders_together / nullif(c.orders_together + b.shrinkage, 0), 0), coalesce(c.weight / nullif(i.mass, 0), 0),
       power(greatest(o.mass, 1), b.popularity_exponent), c.weight, i.mass, o.mass, b.shrinkage, b.popularity_exponent, coalesce(n.neighbour_rank, 0), coalesce(n.overlap, 0),
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('order_id', z.external_id, 'ordered_at', z.ordered_at)) ORDER BY z.ordered_at DESC NULLS LAST, z.external_id), '[]')
        FROM (
            SELECT y.external_id, y.ordered_at
            FROM (
                SELECT r.order_id, r.external_id, r.ordered_at
                FROM order_lines l
                JOIN order_lines k ON k.order_id = l.order_id AND k.item_id = other
                JOIN orders r ON r.order_id = l.order_id
                WHERE l.item_id = item
                  AND (b.window_days IS NULL OR r.ordered_at > b.newest_ordered_at - b.window_days * interval '24 hours')
                ORDER BY r.ordered_at DESC NULLS LAST, r.external_id
                OFFSET 0 -- sorted first: then only as many are counted as are shown
            ) y
            WHERE (SELECT count(*) FROM order_lines n WHERE n.order_id = y.order_id) <= b.max_basket
            LIMIT 10
        ) z)
FROM builds b
JOIN items x ON x.item_id = item
JOIN item_stats i ON i.build_id = b.build_id AND i.item_id = item
JOIN item_stats o ON o.build_id = b.build_id AND o.item_id = other
LEFT JOIN item_pairs p ON p.build_id = b.build_id AND p.item_a = least(item, other) AND p.item_b = greatest(item, other)
LEFT JOIN item_neighbours n ON n.build_id = b.build_id AND n.item_id = item AND n.other_id = other
CROSS JOIN LATERAL (SELECT coalesce(p.orders_together, 0) AS orders_together, coalesce(p.weight, 0) AS weight) c
CROSS JOIN LATERAL pair_measures(
    p.orders_together, p.weight, i.baskets, o.baskets, i.mass, o.mass, b.baskets, b.shrinkage, b.popularity_exponent
) m
WHERE b.build_id = build
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION explain_pair, pair_measures, bought_together, item_ids, recommend, ranking, ranked, rules_in_force, pin_order, orders_counted, grouped, pair_value, affinity;
DROP TYPE rule_item;
