-- Evidence: the counts behind an answer, and the sentence that describes them.

-- Formats 30245 as 30,245, in any locale. STABLE, like to_char: an IMMUTABLE function could not be
-- inlined.
CREATE OR REPLACE FUNCTION grouped(number bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN number < 1000 THEN number::text ELSE to_char(number, 'FM999,999,999,999,999,999,990') END;

-- Describes what two items share. If some orders of the build are too large to count for pairs, it
-- mentions baskets instead of orders.
CREATE OR REPLACE FUNCTION bought_together(b builds, orders_together bigint, orders bigint, baskets bigint,
    item text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'bought together in ' || grouped(orders_together) || ' of '
    || CASE b.large_orders WHEN 0 THEN grouped(orders) || ' orders'
                           ELSE grouped(baskets) || ' baskets of 2 to ' || b.max_basket || ' items' END
    || ' with ' || item;

-- Describes how popular an item is.
CREATE OR REPLACE FUNCTION in_orders(b builds, orders bigint, all_orders bigint, days integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'in ' || grouped(orders) || ' of ' || grouped(all_orders) || ' orders'
    || CASE least(days, b.window_days) WHEN 0 THEN '' WHEN 1 THEN ' of the last day'
                                       ELSE ' of the last ' || least(days, b.window_days) || ' days' END;

-- Returns ranked items with names and evidence: the counts with the seed that has the largest value for
-- the item, ties by baskets_rank. LIMIT 1 makes each join a lookup: the planner cannot know how few rows
-- there are and would read whole tables.
CREATE OR REPLACE FUNCTION pair_recommendations(b builds, q question, seeds seed[],
    ranked ranked_item[]) RETURNS recommendation[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            r.place, i.name, r.score,
            CASE r.source WHEN 'popular' THEN 'popular: '
                          WHEN 'pinned' THEN 'pinned by rule ' || array_to_string(r.rules,
                              ' and rule ') || ', '
                          ELSE '' END
            || CASE WHEN r.source <> 'popular' AND e.orders_together > 0
                    THEN bought_together(b, e.orders_together, e.seed_orders, e.seed_baskets, e.seed_name)
                    ELSE in_orders(b, o.orders, b.orders, 0) END,
            r.source, o.popularity_rank, coalesce(e.orders_together, 0),
            coalesce(e.orders_together::float8 / e.seed_baskets, 0),
            coalesce(e.orders_together::float8 * b.baskets / (e.seed_baskets::float8 * o.baskets), 0),
            r.rules, a.category, a.label, a.url, a.image_url, a.price
        )::recommendation
        FROM unnest(ranked) AS r
        CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = r.item_id LIMIT 1) AS i
        CROSS JOIN LATERAL (
            SELECT s.popularity_rank, s.orders, s.baskets, s.mass
            FROM item_stats AS s
            WHERE s.build_id = b.build_id AND s.item_id = r.item_id
            LIMIT 1
        ) AS o
        LEFT JOIN LATERAL (
            SELECT p.orders_together, s.orders AS seed_orders, s.baskets AS seed_baskets, s.name AS seed_name
            FROM unnest(seeds) WITH ORDINALITY AS s(item_id, name, orders, baskets, mass, place)
            CROSS JOIN LATERAL (
                SELECT x.orders_together, x.weight
                FROM item_pairs AS x
                WHERE x.build_id = b.build_id AND x.item_a = least(s.item_id, r.item_id)
                  AND x.item_b = greatest(s.item_id, r.item_id)
                LIMIT 1
            ) AS p
            ORDER BY pair_value(q.measure, p.orders_together, p.weight, s.baskets, o.baskets, s.mass, o.mass,
                b.baskets,
                                b.shrinkage, b.popularity_exponent) DESC, s.place
            LIMIT 1
        ) AS e ON true
        LEFT JOIN item_attributes AS a ON a.item_id = r.item_id
        ORDER BY r.place
    );
END
$$;

-- Returns ranked items of a question without seeds with their evidence, by the empty rule of association
-- mining: the confidence is the share of all orders, the lift 1.
CREATE OR REPLACE FUNCTION popular_recommendations(b builds, q question,
    ranked ranked_item[]) RETURNS recommendation[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    total bigint := orders_counted(b, q.days);
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            r.place, i.name, r.score,
            CASE r.source WHEN 'pinned' THEN 'pinned by rule ' || array_to_string(r.rules,
                ' and rule ') || ', ' ELSE '' END
            || in_orders(b, coalesce(r.recent_orders, o.orders), total, q.days),
            r.source, o.popularity_rank, coalesce(r.recent_orders, o.orders),
            coalesce(coalesce(r.recent_orders, o.orders)::float8 / nullif(total, 0), 0), 1,
            r.rules, a.category, a.label, a.url, a.image_url, a.price
        )::recommendation
        FROM unnest(ranked) AS r
        CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = r.item_id LIMIT 1) AS i
        CROSS JOIN LATERAL (
            SELECT s.popularity_rank,
                   s.orders FROM item_stats AS s WHERE s.build_id = b.build_id
                   AND s.item_id = r.item_id LIMIT 1
        ) AS o
        LEFT JOIN item_attributes AS a ON a.item_id = r.item_id
        ORDER BY r.place
    );
END
$$;
