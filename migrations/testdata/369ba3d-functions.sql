-- The one definition of every ranking, in three steps: ranked() by counts, from which builds are graded; ranking() under rules and catalogue;
-- recommend() with names, evidence and reasons, from which the API, the command line and the reporting schema answer.
--
-- Versions 3 and 4 were earlier forms of this file and the next. A database that has them gives them up here, and keeps its orders.

DO $$
BEGIN
    IF to_regnamespace('reporting') IS NOT NULL THEN
        DROP SCHEMA reporting CASCADE;
        DROP FUNCTION recommend, pair_value, affinity;
        DELETE FROM goose_db_version WHERE version_id IN (3, 4);
    END IF;
END
$$;

-- The default measure (SCORING.md): the chance w/m_i of reaching j by taking a random basket with i and then a random other item of it,
-- shrunk for rare pairs and curbed for bestsellers. In [0, 1]. See docs/scoring.md. The mass m of an item is its counted baskets n, unless old
-- baskets weigh less: then it may be below 1, and is no bestseller's.
CREATE FUNCTION affinity(
    orders_together bigint, weight float8, mass_i float8, mass_j float8, shrinkage float8, popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN orders_together / (orders_together + shrinkage) * weight / (mass_i * power(greatest(mass_j, 1), popularity_exponent));

-- What one asked item i says for another item j, under the measure named. Symbols as in SCORING.md.
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
CREATE FUNCTION orders_counted(build bigint, days integer) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE days
    WHEN 0 THEN (SELECT b.orders FROM builds b WHERE b.build_id = build)
    ELSE (SELECT coalesce(sum(d.orders), 0)::bigint
          FROM order_days d
          JOIN builds b ON b.build_id = d.build_id
          WHERE d.build_id = build AND d.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - days)
END;

-- One item of a rule. item_id is NULL where no item has the name. asked_only: the rule is for an item that was asked about. hides: the item
-- may not be recommended, because the rule says so, or keeps it apart from an asked item. place: where the item stands in the rule.
CREATE TYPE rule_item AS (rule_id bigint, kind text, asked_only boolean, hides boolean, item_id bigint, place bigint);

-- Of two items pinned the one with the larger pin_order comes first: pinned for an asked item before pinned everywhere, later rules first. An
-- item that several rules pin stands where the first of them puts it.
CREATE FUNCTION pin_order(pin rule_item) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[(pin).asked_only::integer, (pin).rule_id, -(pin).place];

-- All that rules in force say of a question about the asked items. Names are looked up one by one: the planner expects thousands of rules in an
-- empty table, and would read all items for them.
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

-- recommend is ranking() with names, attributes (NULL where the catalogue has none), the reason in words, and the evidence: orders_together,
-- confidence and lift with the asked item that says most for the answer; ties by baskets_rank.
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

-- The ids of those of the names that are known.
CREATE FUNCTION item_ids(names text[]) RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT coalesce(array_agg(i.item_id ORDER BY i.item_id), '{}') FROM items i WHERE i.name = ANY (ARRAY(SELECT trimmed(n) FROM unnest(names) n)));

-- Every measure of two items, from the same counts. Symbols as in SCORING.md; zeros for items that never met.
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

-- Everything that one build knows of two items, the asked one first. affinity is shrink_factor * reach / popularity_divisor. The newest orders
-- are those that are there now, of the sizes and the window that the build counts.
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

-- The reporting schema: views and functions for people. Stable and documented (docs/sql.md); everything else is free to change.

CREATE SCHEMA reporting;

-- What the API would refuse is an error, not an answer.
CREATE FUNCTION check_question(build bigint, lim integer, measure text, min_support bigint, min_confidence float8, days integer) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    wrong text := CASE
        WHEN lim NOT BETWEEN 1 AND 1000000 OR lim IS NULL THEN format('lim is %s: choose 1 or more', coalesce(lim::text, 'NULL'))
        WHEN pair_value(measure, 1, 1, 1, 1, 1, 1, 1, 1, 1) IS NULL
            THEN format('measure is %L: choose one of affinity, count, confidence, cosine, jaccard, lift', measure)
        WHEN min_support < 0 OR min_support IS NULL THEN format('min_support is %s: choose 0 or more orders together', coalesce(min_support::text, 'NULL'))
        WHEN min_confidence NOT BETWEEN 0 AND 1 OR min_confidence IS NULL THEN format('min_confidence is %s: choose 0 to 1', coalesce(min_confidence::text, 'NULL'))
        WHEN days NOT BETWEEN 1 AND 365 OR days IS NULL THEN format('days is %s: choose 1 to 365', coalesce(days::text, 'NULL'))
        WHEN build IS NOT NULL AND NOT EXISTS (SELECT FROM builds b WHERE b.build_id = build AND b.status = 'ready')
            THEN format('build %s is not kept: see reporting.builds', build)
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

CREATE VIEW reporting.builds AS
SELECT b.build_id, b.status, b.active, b.started_at, b.built_at, b.orders, b.order_lines, b.baskets, b.items, b.pairs, b.neighbours,
       b.max_basket, b.neighbours_kept, b.shrinkage, b.popularity_exponent, b.similar_exponent, b.overlap_discount, b.popularity_prior, b.basket_lines, b.chance_share, b.large_orders, b.window_days,
       b.half_life_days, b.newest_ordered_at, b.grades, b.activated_at, b.stats_seconds, b.pairs_seconds, b.neighbours_seconds, b.built_by, b.version, b.error
FROM builds b;

CREATE VIEW reporting.loads AS
SELECT l.load_id, l.source, l.status, l.error, l.started_at, l.finished_at, l.copy_seconds, l.merge_seconds,
       l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_rejected, l.rows_repeated, l.orders_added, l.orders_known, l.items_added,
       l.orders_deleted, l.lines_deleted, l.reverted_at, l.reverted_by, l.loaded_by, l.version
FROM loads l;

CREATE VIEW reporting.load_files AS
SELECT f.load_id, f.file_number, f.name, f.bytes, encode(f.sha256, 'hex') AS sha256, f.mapping, f.rows_read, f.rows_rejected
FROM load_files f;

-- raw is shown with \ooo (octal) for bytes that are not ASCII, because it need not be text at all.
CREATE VIEW reporting.load_rejects AS
SELECT r.load_id, r.row_number, f.name AS file, r.line_number, r.reason, r.detail, encode(r.raw, 'escape') AS raw,
       r.said ->> 'order_id' AS order_id, r.said ->> 'item_name' AS item_name, r.said ->> 'quantity' AS quantity,
       r.said ->> 'ordered_at' AS ordered_at, r.said ->> 'customer_id' AS customer_id
FROM load_rejects r
LEFT JOIN load_files f ON f.load_id = r.load_id AND f.file_number = r.file_number;

-- What a load brought, or would have brought if no other had been there before it; nothing for one that failed or was reverted. Near
-- duplicates are names that differ only in case and white space.
CREATE FUNCTION reporting.load_quality(load bigint)
RETURNS TABLE (
    orders bigint, lines bigint, items bigint, one_item_orders bigint, items_seen_once bigint, basket_sizes jsonb, largest_orders jsonb,
    near_duplicates bigint, near_duplicate_names jsonb, first_ordered_at timestamptz, last_ordered_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
WITH lines AS MATERIALIZED (
    SELECT l.order_id, l.item_id FROM order_lines l WHERE l.load_id = load
    UNION ALL
    SELECT k.order_id, k.item_id FROM known_lines k WHERE k.load_id = load
), baskets AS MATERIALIZED (
    SELECT n.order_id, count(*) AS size FROM lines n GROUP BY n.order_id
), sizes AS (
    SELECT min(b.size) AS least, count(*) AS orders,
           CASE WHEN b.size <= 10 THEN b.size::text WHEN b.size <= 20 THEN '11-20' WHEN b.size <= 50 THEN '21-50'
                WHEN b.size <= 100 THEN '51-100' ELSE 'over 100' END AS items
    FROM baskets b
    GROUP BY 3
), largest AS (
    SELECT o.external_id, b.size
    FROM baskets b
    JOIN orders o ON o.order_id = b.order_id
    ORDER BY b.size DESC, o.external_id
    LIMIT 5
), held AS MATERIALIZED (
    SELECT n.item_id, count(*) AS orders FROM lines n GROUP BY n.item_id
), near AS MATERIALIZED (
    SELECT jsonb_agg(i.name ORDER BY h.orders DESC, i.name) AS names, sum(h.orders) AS orders, min(i.name) AS first_name
    FROM held h
    JOIN items i ON i.item_id = h.item_id
    GROUP BY lower(btrim(regexp_replace(i.name, '\s+', ' ', 'g')))
    HAVING count(*) > 1
), nearest AS (
    SELECT n.* FROM near n ORDER BY n.orders DESC, n.first_name LIMIT 20
), times AS (
    SELECT o.ordered_at FROM orders o WHERE o.load_id = load
    UNION ALL
    SELECT k.ordered_at FROM known_orders k WHERE k.load_id = load
)
SELECT (SELECT count(*) FROM baskets), (SELECT count(*) FROM lines), (SELECT count(*) FROM held),
       (SELECT count(*) FROM baskets b WHERE b.size = 1),
       (SELECT count(*) FROM held h WHERE h.orders = 1),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('items', z.items, 'orders', z.orders) ORDER BY z.least), '[]') FROM sizes z),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', t.external_id, 'items', t.size) ORDER BY t.size DESC, t.external_id), '[]')
        FROM largest t),
       (SELECT count(*) FROM near),
       (SELECT coalesce(jsonb_agg(t.names ORDER BY t.orders DESC, t.first_name), '[]') FROM nearest t),
       (SELECT min(t.ordered_at) FROM times t), (SELECT max(t.ordered_at) FROM times t)
$$;

CREATE VIEW reporting.data_quality AS
SELECT l.load_id, l.source, l.status, l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_repeated, l.rows_rejected,
       coalesce(l.rows_rejected::float8 / nullif(l.rows_read, 0), 0)::float8 AS rejected_share,
       (SELECT coalesce(jsonb_object_agg(r.reason, r.rows ORDER BY r.reason), '{}')
        FROM (SELECT x.reason, count(*) AS rows FROM load_rejects x WHERE x.load_id = l.load_id GROUP BY x.reason) r)::jsonb AS rejected_by_reason,
       q.orders, q.lines, q.items, q.one_item_orders, coalesce(q.one_item_orders::float8 / nullif(q.orders, 0), 0)::float8 AS one_item_share,
       q.items_seen_once, q.basket_sizes, q.largest_orders, q.near_duplicates, q.near_duplicate_names,
       q.first_ordered_at, q.last_ordered_at, l.copy_seconds, l.merge_seconds,
       coalesce(l.rows_read / nullif(l.copy_seconds + l.merge_seconds, 0), 0)::float8 AS rows_per_second
FROM loads l
CROSS JOIN LATERAL reporting.load_quality(l.load_id) AS q(
    orders, lines, items, one_item_orders, items_seen_once, basket_sizes, largest_orders, near_duplicates, near_duplicate_names,
    first_ordered_at, last_ordered_at
);

CREATE VIEW reporting.order_deletions AS
SELECT d.deletion_id, d.deleted_at, d.orders, d.lines, d.rejects, d.reason, d.deleted_by, d.version
FROM order_deletions d;

CREATE VIEW reporting.items AS
SELECT i.name AS item_name, a.category, a.label, a.url, a.image_url, a.price, a.active, a.source, a.changed_at, a.changed_by
FROM item_attributes a
JOIN items i ON i.item_id = a.item_id;

CREATE VIEW reporting.rules AS
SELECT r.rule_id, r.kind, r.item, r.items, r.reason, r.author, r.valid_from, r.valid_until, r.created_at,
       r.ended_at, r.ended_by,
       r.valid_from <= now() AND (r.valid_until IS NULL OR now() < r.valid_until) AS in_force
FROM rules r;

CREATE VIEW reporting.popular_items AS
SELECT s.popularity_rank, i.name AS item_name, s.orders, s.orders::float8 / b.orders AS share_of_orders, s.baskets, b.build_id, b.built_at
FROM builds b
JOIN item_stats s ON s.build_id = b.build_id
JOIN items i ON i.item_id = s.item_id
WHERE b.active;

-- Each pair once, item_a being the first by name: ids follow the order of loading, and would show it.
-- confidence_ab is the confidence of b given a, affinity_ab what a says for b.
CREATE VIEW reporting.item_pairs AS
SELECT a.name AS item_a, b.name AS item_b, p.orders_together,
       sa.orders AS orders_a, sb.orders AS orders_b, sa.baskets AS baskets_a, sb.baskets AS baskets_b,
       m.support, m.confidence AS confidence_ab, m.reverse_confidence AS confidence_ba, m.lift, m.cosine, m.jaccard,
       m.affinity AS affinity_ab, m.reverse_affinity AS affinity_ba, p.weight, t.build_id, t.built_at
FROM builds t
JOIN item_pairs p ON p.build_id = t.build_id
JOIN items x ON x.item_id = p.item_a
JOIN items y ON y.item_id = p.item_b
CROSS JOIN LATERAL (
    SELECT least(x.name, y.name) AS name, CASE WHEN x.name < y.name THEN p.item_a ELSE p.item_b END AS item_id
) a
CROSS JOIN LATERAL (
    SELECT greatest(x.name, y.name) AS name, CASE WHEN x.name < y.name THEN p.item_b ELSE p.item_a END AS item_id
) b
JOIN item_stats sa ON sa.build_id = t.build_id AND sa.item_id = a.item_id
JOIN item_stats sb ON sb.build_id = t.build_id AND sb.item_id = b.item_id
CROSS JOIN LATERAL pair_measures(
    p.orders_together, p.weight, sa.baskets, sb.baskets, sa.mass, sb.mass, t.baskets, t.shrinkage, t.popularity_exponent
) AS m(support, confidence, reverse_confidence, lift, cosine, jaccard, affinity, reverse_affinity)
WHERE t.active;

-- The answers of the API, from the same recommend(), whose parameters they take by the API's names. build is a kept build, NULL the active one.
-- rules are those of the whole answer, in every row of it: also those that left something out, which has no row of its own.
-- An item that the build does not know has no rows. exclude and items name items; unknown names do no harm. The check is a statement of its own:
-- within the other it would wait until there is an item.
-- SECURITY DEFINER, because a reader of reports may not read the tables behind them. Without jit, which compiles for longer than the answer takes.
CREATE FUNCTION reporting.similar_items(
    item text, lim integer DEFAULT 5, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0, min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false, build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, measure, min_support, min_confidence, 1);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at
    FROM builds b
    JOIN items i ON i.name = trimmed(item)
    JOIN item_stats s ON s.build_id = b.build_id AND s.item_id = i.item_id
    CROSS JOIN LATERAL recommend(
        b.build_id, ARRAY[i.item_id], true, measure, min_support, min_confidence, item_ids(exclude), categories, 0, NOT strict, lim
    ) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;

CREATE FUNCTION reporting.basket_recommendations(
    items text[], lim integer DEFAULT 10, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0, min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false, build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric,
    unknown_items text[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, measure, min_support, min_confidence, 1);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at, k.names
    FROM builds b
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(s.item_id), '{}') AS asked, coalesce(array_agg(i.name), '{}') AS names
        FROM item_stats s
        JOIN items i ON i.item_id = s.item_id
        WHERE s.build_id = b.build_id AND s.item_id = ANY (item_ids(basket_recommendations.items))
    ) k
    CROSS JOIN LATERAL recommend(
        b.build_id, k.asked, false, measure, min_support, min_confidence, item_ids(exclude), categories, 0, NOT strict, lim
    ) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric,
       ARRAY(
           SELECT u.name
           FROM unnest(basket_recommendations.items) WITH ORDINALITY AS u(name, n)
           WHERE u.name IS NOT NULL AND trimmed(u.name) <> ALL (a.names)
           GROUP BY u.name
           ORDER BY min(u.n)
       )
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;

-- What popular-items?days= answers: the most popular items of so many days, back from the newest order of the build.
CREATE FUNCTION reporting.recent_popular_items(
    days integer, lim integer DEFAULT 20, exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, 'affinity', 0, 0, days);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at
    FROM builds b
    CROSS JOIN LATERAL recommend(b.build_id, '{}', false, 'affinity', 1, 0, item_ids(exclude), categories, days, true, lim) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;

-- The counts and measures behind two items. Either unknown: no row. reporting.item_pairs has the same of all pairs.
CREATE FUNCTION reporting.explain(item text, other text, build bigint DEFAULT NULL)
RETURNS TABLE (
    reason text, orders_together bigint, item_orders bigint, other_orders bigint, item_baskets bigint, other_baskets bigint, baskets bigint,
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8,
    affinity float8, shrink_factor float8, reach float8, popularity_divisor float8, weight float8, item_mass float8, other_mass float8,
    shrinkage float8, popularity_exponent float8, neighbour_rank bigint, overlap float8, newest_orders jsonb, build_id bigint, built_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, 1, 'affinity', 0, 0, 1);
SELECT e.*, b.build_id, b.built_at
FROM builds b
JOIN items i ON i.name = trimmed(item)
JOIN items o ON o.name = trimmed(other) AND o.item_id <> i.item_id
CROSS JOIN LATERAL explain_pair(b.build_id, i.item_id, o.item_id) e
WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
$$;

-- alsobought_reporting may read this schema and nothing else. Roles belong to the whole server: another database may have made it, may be
-- making it now, or the owner of this one may not make roles at all (then the administrator does, and grants it what is granted here).
DO $$
BEGIN
    BEGIN
        CREATE ROLE alsobought_reporting NOLOGIN;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN RAISE NOTICE 'role alsobought_reporting was not made: this user may not create roles';
    END;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'alsobought_reporting') THEN
        GRANT USAGE ON SCHEMA reporting TO alsobought_reporting;
        GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO alsobought_reporting;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO alsobought_reporting;
    END IF;
END
$$;

