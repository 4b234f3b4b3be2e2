-- A question is one value and gets one answer, from one build. Functions that are STABLE see one snapshot
-- in all their statements.

-- Returns a kept build, or the active one for 0 and NULL; no row if there is none.
CREATE OR REPLACE FUNCTION find_build(id bigint) RETURNS SETOF builds LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
SELECT b.*
FROM builds AS b
WHERE b.build_id = coalesce(nullif(id, 0),
    (SELECT a.build_id FROM builds AS a WHERE a.active)) AND b.status = 'ready'
$$;

-- Returns a name as loads store it: in NFC, without surrounding white space and invisible characters.
CREATE OR REPLACE FUNCTION spelled(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN normalize(btrim(name,
        E' \t\n\u000B\f\r\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
        '\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000\u00AD\u180E\u200B\u200C\u200D\u200E\u200F'
        '\u2060\uFEFF'), NFC);
END
$$;

-- Returns the names as loads store them.
CREATE OR REPLACE FUNCTION trimmed_names(names text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT spelled(n.name) FROM unnest(names) WITH ORDINALITY AS n(name, place) ORDER BY n.place
    );
END
$$;

-- Returns the named items that the build knows, each once, in the order of the tie rule.
CREATE OR REPLACE FUNCTION seeds_named(build bigint, names text[]) RETURNS seed[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(s.item_id, i.name, s.orders, s.baskets, s.mass)::seed
        FROM items AS i
        CROSS JOIN LATERAL (
            SELECT x.* FROM item_stats AS x WHERE x.build_id = build AND x.item_id = i.item_id LIMIT 1
        ) AS s
        WHERE i.name = ANY (names)
        ORDER BY s.baskets_rank
    );
END
$$;

-- Returns the IDs of the known names.
CREATE OR REPLACE FUNCTION item_ids(names text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(SELECT i.item_id FROM items AS i WHERE i.name = ANY (names) ORDER BY i.item_id);
END
$$;

-- Returns the names of an order's items; NULL if there is no such order or all of it was returned.
CREATE OR REPLACE FUNCTION order_items(id text) RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    found bigint;
BEGIN
    SELECT o.order_id INTO found FROM orders AS o WHERE o.external_id = id AND o.items <> '{}';
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(
        SELECT i.name
        FROM order_lines AS l
        CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = l.item_id LIMIT 1) AS i
        WHERE l.order_id = found
        ORDER BY i.name
    );
END
$$;

-- Returns the times at which rules last began and ended, which no trigger records.
CREATE OR REPLACE FUNCTION last_moments() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN concat_ws('/',
        coalesce((SELECT max(r.valid_from) FROM rules AS r WHERE r.valid_from <= now()), '-infinity'),
        coalesce((SELECT max(r.valid_until) FROM rules AS r WHERE r.valid_until <= now()), '-infinity'));
END
$$;

-- Returns everything an answer depends on besides the question: equal revisions mean equal answers. No
-- row if there is no such build.
CREATE OR REPLACE FUNCTION find_context(build_id bigint) RETURNS SETOF answer_context
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
SELECT b, concat_ws('.', b.build_id, r.changes, CASE WHEN r.matters THEN last_moments() END), NOT r.matters
FROM find_build(build_id) AS b
CROSS JOIN (SELECT sum(x.changes) AS changes, bool_or(x.matters) AS matters FROM revisions AS x) AS r
$$;

-- Returns the revision of the active build, and whether it is settled: whether no change can be committed
-- within the next 5 ms. Transactions that change answers hold the lock from before the change is visible
-- until it is (give_notice). In READ COMMITTED the second statement has a newer snapshot than the lock. A
-- standby does not see the primary's locks, so nothing is settled there.
CREATE OR REPLACE FUNCTION read_version(OUT revision text, OUT settled boolean) LANGUAGE plpgsql
AS $$
BEGIN
    settled := NOT pg_is_in_recovery() AND current_setting('transaction_isolation') = 'read committed'
        AND pg_try_advisory_xact_lock_shared(answers_lock());
    SELECT c.revision INTO revision FROM find_context(0) AS c;
END
$$;

-- Fails on a standby if the build was pruned while it was being read. A prune waits for readers on the
-- primary but not for those on a standby, where tables may vanish between two statements. It marks the
-- build first. VOLATILE, so that a new snapshot, taken after everything else was read, sees the mark.
CREATE OR REPLACE FUNCTION check_kept(build bigint) RETURNS void LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF pg_is_in_recovery()
        AND NOT EXISTS (SELECT FROM builds AS b WHERE b.build_id = build AND b.status = 'ready') THEN
        RAISE EXCEPTION 'build % was pruned while it was being read: try again', build
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

-- Answers a default question from the kept neighbours; NULL if they do not suffice.
CREATE OR REPLACE FUNCTION kept_recommendations(b builds, q question, names text[]) RETURNS recommendation[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    kept recommendation[];
BEGIN
    IF names = '{}' OR q.measure <> 'affinity' OR q.min_support > 1 OR q.min_confidence > 0
        OR q.exclude <> '{}' OR q.categories <> '{}' THEN
        RETURN NULL;
    END IF;
    IF q.kind = 'similar' THEN
        kept := ARRAY(SELECT r FROM kept_similar(b.build_id, b, names[1], q.lim) AS r ORDER BY r.place);
    ELSE
        kept := ARRAY(SELECT r FROM kept_basket(b.build_id, b, names, q.lim) AS r ORDER BY r.place);
    END IF;
    RETURN CASE WHEN cardinality(kept) = q.lim THEN kept END;
END
$$;

-- Answers a question in normal form (check_question). unknown lists the names that the build does not
-- know, rules the rules that affected the answer. recommendations is NULL for an unknown similar item
-- (known is 0) and for an unknown order (known is NULL).
CREATE OR REPLACE FUNCTION answer(q question, c answer_context) RETURNS answer
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    b      builds := c.build;
    names  text[] := q.items;
    seeds  seed[];
    result answer := ROW(
        b.build_id, b.built_at, b.window_days, b.newest_ordered_at IS NOT NULL, c.revision,
        NULL, '{}', '{}', 0, NULL
    );
BEGIN
    IF q.kind = 'order' THEN
        names := order_items(q.order_id);
        IF names IS NULL THEN
            RETURN result;
        END IF;
    END IF;
    IF c.plain THEN
        result.recommendations := kept_recommendations(b, q, names);
        IF result.recommendations IS NOT NULL THEN
            result.known := cardinality(names);
            RETURN result;
        END IF;
    END IF;
    seeds := seeds_named(b.build_id, names);
    result.known := cardinality(seeds);
    IF result.known < cardinality(names) THEN
        result.unknown := ARRAY(
            SELECT n.name FROM unnest(names) WITH ORDINALITY AS n(name, place)
            WHERE n.name NOT IN (SELECT s.name FROM unnest(seeds) AS s)
            GROUP BY n.name
            ORDER BY min(n.place)
        );
    END IF;
    IF q.kind <> 'similar' OR result.known > 0 THEN
        result := ranked_answer(b, q, seeds, c.plain, result);
    END IF;
    PERFORM check_kept(b.build_id);
    RETURN result;
END
$$;

-- Answers any question about any seeds, even none: ranked, subject to rules and the catalogue, with names
-- and evidence.
CREATE OR REPLACE FUNCTION ranked_answer(b builds, q question, seeds seed[], plain boolean,
    result answer) RETURNS answer
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    excluded    bigint[] := CASE WHEN q.exclude = '{}' THEN '{}' ELSE item_ids(q.exclude) END;
    in_category bigint[];
    ranked      ranked_item[];
BEGIN
    IF q.categories <> '{}' THEN
        in_category := ARRAY(SELECT a.item_id FROM item_attributes AS a
            WHERE a.category = ANY (q.categories));
    END IF;
    IF plain THEN
        ranked := ARRAY(SELECT r FROM rank(b, q, seeds, excluded, in_category, q.lim) AS r);
    ELSE
        ranked := ARRAY(SELECT r FROM rank_by_rules(b, q, seeds, excluded, in_category,
            rules_in_force(seeds)) AS r);
        SELECT coalesce(
                   array_agg(DISTINCT u.rule_id ORDER BY u.rule_id) FILTER (WHERE u.rule_id IS NOT NULL), '{}'
               ),
               coalesce(sum(r.left_out) FILTER (WHERE r.rules = '{}'), 0)
        INTO result.rules, result.inactive_left_out
        FROM unnest(ranked) AS r
        LEFT JOIN LATERAL unnest(r.rules) AS u(rule_id) ON true;
    END IF;
    IF cardinality(seeds) = 0 THEN
        result.recommendations := popular_recommendations(b, q, ranked);
    ELSE
        result.recommendations := pair_recommendations(b, q, seeds, ranked);
    END IF;
    RETURN result;
END
$$;

-- Returns the question in normal form: names without surrounding white space. Whatever the API would
-- refuse is an error.
CREATE OR REPLACE FUNCTION check_question(q question) RETURNS question LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    wrong text := CASE
        WHEN q.lim NOT BETWEEN 1 AND 1000000 OR q.lim IS NULL THEN format('lim is %s: choose 1 or more',
            coalesce(q.lim::text, 'NULL'))
        WHEN pair_value(q.measure, 1, 1, 1, 1, 1, 1, 1, 1, 1) IS NULL
            THEN format('measure is %L: choose one of affinity, count, confidence, cosine, jaccard, lift',
                q.measure)
        WHEN q.min_support < 0 OR q.min_support IS NULL
            THEN format('min_support is %s: choose 0 or more orders together', coalesce(q.min_support::text,
                'NULL'))
        WHEN q.min_confidence NOT BETWEEN 0 AND 1 OR q.min_confidence IS NULL
            THEN format('min_confidence is %s: choose 0 to 1', coalesce(q.min_confidence::text, 'NULL'))
        WHEN q.days NOT BETWEEN 0 AND 365 OR q.days IS NULL THEN format('days is %s: choose 1 to 365',
            coalesce(q.days::text, 'NULL'))
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
    q.items := trimmed_names(array_remove(q.items, NULL));
    q.exclude := trimmed_names(array_remove(q.exclude, NULL));
    q.categories := trimmed_names(array_remove(q.categories, NULL));
    RETURN q;
END
$$;

-- Returns the ID of a kept build, or 0, the active one, for NULL. Any other ID is an error.
CREATE OR REPLACE FUNCTION check_build(build bigint) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF build <> 0 AND NOT EXISTS (SELECT FROM find_build(build)) THEN
        RAISE EXCEPTION 'build % is not kept: see reporting.builds',
            build USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN coalesce(build, 0);
END
$$;
