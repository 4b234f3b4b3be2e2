-- Explanations: everything that a build knows about two items.

-- Returns the newest current orders with both items, at most ten, within the basket size and the window
-- of the build.
CREATE OR REPLACE FUNCTION newest_orders(b builds, item bigint, other bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        WITH newest AS (
            SELECT r.order_id, r.external_id, r.ordered_at
            FROM order_lines AS l
            JOIN order_lines AS k ON k.order_id = l.order_id AND k.item_id = other
            JOIN orders AS r ON r.order_id = l.order_id
            WHERE l.item_id = item
              AND (b.window_days IS NULL
                  OR r.ordered_at > b.newest_ordered_at - b.window_days * interval '24 hours')
            ORDER BY r.ordered_at DESC NULLS LAST, r.external_id
            OFFSET 0 -- sort first, so that only the orders that are shown are counted
        ), counted AS (
            SELECT n.external_id, n.ordered_at
            FROM newest AS n
            WHERE (SELECT count(*) FROM order_lines AS l WHERE l.order_id = n.order_id) <= b.max_basket
            LIMIT 10
        )
        SELECT coalesce(jsonb_agg(
                   jsonb_strip_nulls(jsonb_build_object('order_id', c.external_id, 'ordered_at',
                       c.ordered_at))
                   ORDER BY c.ordered_at DESC NULLS LAST, c.external_id
               ), '[]')
        FROM counted AS c
    );
END
$$;

-- Returns the counts and measures of two items in a kept build (0 or NULL: the active one), the seed
-- first. affinity is shrink_factor * reach / popularity_divisor. No row if there is no such build; NULLs
-- if it does not know one of the items.
CREATE OR REPLACE FUNCTION explain_items(item text, other text, build bigint)
RETURNS TABLE (
    build_id bigint, built_at timestamptz, item_known boolean, other_known boolean, reason text,
        orders_together bigint,
    item_orders bigint, other_orders bigint, item_baskets bigint, other_baskets bigint, baskets bigint,
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8,
    affinity float8, shrink_factor float8, reach float8, popularity_divisor float8, weight float8,
        item_mass float8, other_mass float8,
    shrinkage float8, popularity_exponent float8, neighbour_rank bigint, overlap float8, newest_orders jsonb
) LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
#variable_conflict use_column
DECLARE
    b    builds;
    i    seed;
    o    seed;
    pair item_pairs;
    kept item_neighbours;
BEGIN
    SELECT f.* INTO b FROM find_build(build) AS f;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    i := (seeds_named(b.build_id, ARRAY[spelled(item)]))[1];
    o := (seeds_named(b.build_id, ARRAY[spelled(other)]))[1];
    SELECT p.* INTO pair
    FROM item_pairs AS p
    WHERE p.build_id = b.build_id AND p.item_a = least(i.item_id,
        o.item_id) AND p.item_b = greatest(i.item_id, o.item_id);
    SELECT n.* INTO kept
    FROM item_neighbours AS n
    WHERE n.build_id = b.build_id AND n.item_id = i.item_id AND n.other_id = o.item_id;
    RETURN QUERY
        SELECT b.build_id, b.built_at, i.item_id IS NOT NULL, o.item_id IS NOT NULL,
               bought_together(b, c.orders_together, i.orders, i.baskets, i.name),
               c.orders_together, i.orders, o.orders, i.baskets, o.baskets, b.baskets,
               m.support, m.confidence, m.reverse_confidence, m.lift, m.cosine, m.jaccard,
               m.affinity, coalesce(c.orders_together / nullif(c.orders_together + b.shrinkage, 0), 0),
               coalesce(c.weight / nullif(i.mass, 0), 0), popularity_divisor(o.mass, b.popularity_exponent),
               c.weight, i.mass, o.mass, b.shrinkage, b.popularity_exponent,
               coalesce(kept.neighbour_rank, 0), coalesce(kept.overlap, 0),
               CASE WHEN i.item_id IS NOT NULL AND o.item_id IS NOT NULL
                    THEN newest_orders(b, i.item_id, o.item_id) END
        FROM (
            SELECT coalesce(pair.orders_together, 0) AS orders_together, coalesce(pair.weight, 0) AS weight
        ) AS c
        CROSS JOIN LATERAL pair_measures(
            pair.orders_together, pair.weight, i.baskets, o.baskets, i.mass, o.mass, b.baskets, b.shrinkage,
                b.popularity_exponent
        ) AS m;
    PERFORM check_kept(b.build_id);
END
$$;
