-- From which seed of a question its answer comes, and by how much.

-- What each seed of a basket says of some items, by name, as the ranking sums it up: without what other
-- seeds say, and under the rules unless the context is plain. seed_name is NULL for what popularity adds
-- (prior). An item that nothing is said of, as one that a rule pins, has no row.
CREATE OR REPLACE FUNCTION contributions(q question, c answer_context, others text[])
RETURNS TABLE (item_name text, seed_place bigint, seed_name text, value float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    b        builds := c.build;
    seeds    seed[] := seeds_named(b.build_id, q.items);
    excluded bigint[] := CASE WHEN q.exclude = '{}' THEN '{}' ELSE item_ids(q.exclude) END;
    allowed  bigint[];
    rules    rule_item[] := '{}';
    share    float8 := overlap_share(b.overlap_discount, cardinality(seeds));
    prior    float8;
BEGIN
    IF cardinality(seeds) = 0 THEN
        RETURN;
    END IF;
    prior := popularity_prior(b, q, seeds);
    IF NOT c.plain THEN
        rules := rules_in_force(seeds);
        allowed := allowed_items(NULL, rules);
        excluded := excluded || ARRAY(
            SELECT r.item_id FROM unnest(rules) AS r WHERE r.hides AND r.item_id IS NOT NULL
            UNION
            SELECT x.item_id FROM item_attributes AS x WHERE NOT x.active
        );
    END IF;
    RETURN QUERY
        WITH candidates AS (
            SELECT i.name, k.seed_place, k.baskets, greatest(k.value - share * k.overlap, 0) AS value
            FROM pair_candidates(b, q, seeds, excluded, allowed) AS k
            CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = k.item_id LIMIT 1) AS i
            WHERE i.name = ANY (others)
        )
        SELECT k.name, k.seed_place, seeds[k.seed_place].name, k.value
        FROM candidates AS k
        UNION ALL
        SELECT k.name, 0::bigint, NULL, prior * power(min(k.baskets), 1 - b.popularity_exponent)
        FROM candidates AS k
        WHERE prior > 0
        GROUP BY k.name
        UNION ALL
        SELECT i.name, 0::bigint, NULL, prior * power(s.orders, 1 - b.popularity_exponent)
        FROM unnest(others) AS o(name)
        JOIN items AS i ON i.name = o.name
        JOIN item_stats AS s ON s.build_id = b.build_id AND s.item_id = i.item_id
        WHERE prior > 0 AND i.name NOT IN (SELECT k.name FROM candidates AS k);
END
$$;
