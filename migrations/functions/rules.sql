-- Rules and the catalogue, applied to the ranking.
--
--   * Items that a rule hides or does not allow, that the catalogue marks inactive, or that are in none of
--     the question's categories are removed before ranking, so that the best of the rest is exact.
--   * Items that a rule pins come first, with source 'pinned' and score 1: those pinned for a seed before
--     those pinned everywhere, later rules first.
--   * Of items that a rule keeps apart, only the first is shown.
--   * A rule is reported only if removing it would change the answer. Rules with the same effect on an item
--     are reported together.

-- Pinned items are sorted by descending pin_order. An item that several rules pin gets the first of its
-- places.
CREATE OR REPLACE FUNCTION pin_order(pin rule_item) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[(pin).seed_only::integer, (pin).rule_id, -(pin).place];

-- Returns every item of the rules in force that concern the seeds. Names are looked up one by one: the
-- planner expects thousands of rules in an empty table and would read all items.
CREATE OR REPLACE FUNCTION rules_in_force(seeds seed[]) RETURNS rule_item[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    names text[] := ARRAY(SELECT s.name FROM unnest(seeds) AS s);
BEGIN
    RETURN ARRAY(
        SELECT ROW(r.rule_id, r.kind, r.item IS NOT NULL,
               r.kind = 'hide' OR (r.kind = 'apart' AND r.items && names), i.item_id, n.place)::rule_item
        FROM rules AS r
        CROSS JOIN LATERAL unnest(r.items) WITH ORDINALITY AS n(name, place)
        LEFT JOIN LATERAL (SELECT x.item_id FROM items AS x WHERE x.name = n.name LIMIT 1) AS i ON true
        WHERE now() >= r.valid_from AND now() < coalesce(r.valid_until,
            'infinity') AND (r.item IS NULL OR r.item = ANY (names))
        ORDER BY r.rule_id, n.place
    );
END
$$;

-- Returns the items that may be recommended: those of the categories and of every allow rule. NULL: any
-- item.
CREATE OR REPLACE FUNCTION allowed_items(in_category bigint[], rules rule_item[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    allowed bigint[] := in_category;
    listed  bigint[];
BEGIN
    FOR listed IN
        SELECT array_remove(array_agg(r.item_id), NULL)
        FROM unnest(rules) AS r
        WHERE r.kind = 'allow'
        GROUP BY r.rule_id
    LOOP
        allowed := CASE WHEN allowed IS NULL THEN listed
                        ELSE ARRAY(SELECT unnest(allowed) INTERSECT SELECT unnest(listed)) END;
    END LOOP;
    RETURN allowed;
END
$$;

-- Returns the pinned items that may be recommended, the first one first.
CREATE OR REPLACE FUNCTION pinned_items(b builds, q question, rules rule_item[], excluded bigint[],
    allowed bigint[])
RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
AS $$
BEGIN
    RETURN QUERY
        SELECT row_number() OVER (ORDER BY max(pin_order(r)) DESC), r.item_id, 1::float8, 'pinned',
               CASE WHEN q.days > 0 THEN coalesce((
                   SELECT d.orders FROM recent_orders(b.build_id, b.newest_ordered_at,
                          q.days) AS d WHERE d.item_id = r.item_id
               ), 0) END,
               array_agg(DISTINCT r.rule_id), NULL::bigint
        FROM unnest(rules) AS r
        JOIN item_stats AS s ON s.build_id = b.build_id AND s.item_id = r.item_id
        WHERE r.kind = 'pin' AND r.item_id <> ALL (excluded) AND (allowed IS NULL
            OR r.item_id = ANY (allowed))
        GROUP BY r.item_id;
END
$$;

-- Ranks items subject to the rules. Extra rows with place NULL count the items left out, by rules;
-- without rules for those that the catalogue marks inactive.
CREATE OR REPLACE FUNCTION rank_by_rules(
    b builds, q question, seeds seed[], excluded bigint[], in_category bigint[], rules rule_item[]
) RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
AS $$
DECLARE
    none    bigint[] := excluded || seed_ids(seeds);
    hidden  bigint[] := ARRAY(
        SELECT r.item_id FROM unnest(rules) AS r WHERE r.hides AND r.item_id IS NOT NULL
        UNION
        SELECT x.item_id FROM item_attributes AS x WHERE NOT x.active
    );
    allowed bigint[] := allowed_items(in_category, rules);
    pins    ranked_item[] := ARRAY(
        SELECT p FROM pinned_items(b, q, rules, none || hidden, allowed) AS p ORDER BY p.place
    );
    pin_ids bigint[] := ARRAY(SELECT p.item_id FROM unnest(pins) AS p);
    spare   bigint := cardinality(pins) + (SELECT count(*) FROM unnest(rules) AS r WHERE r.kind = 'apart');
    shown   bigint[] := '{}'; -- items of the answer
    used    bigint[] := '{}'; -- apart rules with an item that is shown
    parted  bigint[] := '{}'; -- apart rules that kept another item out
    apart   bigint[];
    next    ranked_item;
BEGIN
    FOR next IN
        SELECT * FROM unnest(pins)
        UNION ALL
        (SELECT * FROM rank(b, q, seeds, excluded || hidden, allowed,
            q.lim + spare) AS r WHERE r.item_id <> ALL (pin_ids) ORDER BY r.place)
    LOOP
        EXIT WHEN cardinality(shown) = q.lim;
        apart := ARRAY(SELECT r.rule_id FROM unnest(rules) AS r WHERE r.kind = 'apart'
            AND r.item_id = next.item_id);
        IF apart && used THEN
            parted := parted || ARRAY(SELECT unnest(apart) INTERSECT SELECT unnest(used));
            CONTINUE;
        END IF;
        used := used || apart;
        shown := shown || next.item_id;
        next.place := cardinality(shown);
        RETURN NEXT next;
    END LOOP;
    RETURN QUERY SELECT * FROM left_out_by_rules(b, q, seeds, excluded, in_category, rules, shown);
    RETURN QUERY
        SELECT NULL::bigint, NULL::bigint, NULL::float8, NULL, NULL::bigint, ARRAY[p], count(*)
        FROM unnest(parted) AS p
        GROUP BY p;
END
$$;

-- Counts the items that would be shown without rules: those that, in the order without rules, come before
-- the last answer or in a place left empty, and that are not kept apart from an earlier answer. Searches
-- the first 2 * limit + 100 items.
CREATE OR REPLACE FUNCTION left_out_by_rules(
    b builds, q question, seeds seed[], excluded bigint[], in_category bigint[], rules rule_item[],
        shown bigint[]
) RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
AS $$
DECLARE
    pins    ranked_item[] := ARRAY(
        SELECT p FROM pinned_items(b, q, rules, excluded || seed_ids(seeds), in_category) AS p
    );
    pin_ids bigint[] := ARRAY(SELECT p.item_id FROM unnest(pins) AS p);
BEGIN
    RETURN QUERY
        WITH hiding AS (
            SELECT r.item_id,
                   array_agg(DISTINCT r.rule_id) AS rules FROM unnest(rules) AS r
                   WHERE r.hides GROUP BY r.item_id
        ), allowing AS (
            SELECT r.rule_id, array_remove(array_agg(r.item_id), NULL) AS items
            FROM unnest(rules) AS r
            WHERE r.kind = 'allow'
            GROUP BY r.rule_id
        ), parting AS (
            SELECT r.rule_id, min(array_position(shown, r.item_id)) AS place
            FROM unnest(rules) AS r
            WHERE r.kind = 'apart'
            GROUP BY r.rule_id
        ), parted AS (
            SELECT r.item_id, min(p.place) AS place
            FROM unnest(rules) AS r
            JOIN parting AS p ON p.rule_id = r.rule_id
            WHERE r.kind = 'apart'
            GROUP BY r.item_id
        ), without_rules AS (
            SELECT p.item_id, p.place - cardinality(pins) AS place FROM unnest(pins) AS p
            UNION ALL
            SELECT r.item_id, r.place
            FROM rank(b, q, seeds, excluded, in_category, 2 * q.lim + 100) AS r
            WHERE r.item_id <> ALL (pin_ids)
        ), judged AS (
            SELECT coalesce(h.rules, '{}')
                       || ARRAY(SELECT a.rule_id FROM allowing AS a
                           WHERE o.item_id <> ALL (a.items) ORDER BY a.rule_id) AS rules,
                   x.item_id IS NOT NULL AS inactive, p.place AS parted_at,
                   count(*) FILTER (WHERE o.item_id = ANY (shown)) OVER (ORDER BY o.place) AS shown_before
            FROM without_rules AS o
            LEFT JOIN hiding AS h ON h.item_id = o.item_id
            LEFT JOIN parted AS p ON p.item_id = o.item_id
            LEFT JOIN item_attributes AS x ON x.item_id = o.item_id AND NOT x.active
        )
        SELECT NULL::bigint, NULL::bigint, NULL::float8, NULL, NULL::bigint, j.rules, count(*)
        FROM judged AS j
        WHERE (j.rules <> '{}' OR j.inactive) AND j.shown_before < q.lim AND (j.parted_at IS NULL
            OR j.parted_at > j.shown_before)
        GROUP BY j.rules;
END
$$;
