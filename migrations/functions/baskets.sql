-- Orders as a build counts them, for reports on whole baskets.

-- Classifies an order: a counted 'basket'; 'one_item'; 'large', if above max_basket; or 'outside_window',
-- if too old for a build with a window, or without a time although age matters.
CREATE OR REPLACE FUNCTION basket_status(b builds, items bigint[], ordered_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN b.window_days IS NOT NULL AND coalesce(
             ordered_at <= b.newest_ordered_at - b.window_days * interval '24 hours', true
         ) OR b.half_life_days IS NOT NULL AND ordered_at IS NULL THEN 'outside_window'
    WHEN cardinality(items) < 2 THEN 'one_item'
    WHEN cardinality(items) > b.max_basket THEN 'large'
    ELSE 'basket'
END
$$;

-- Returns the counted baskets as the build saw them, each reduced to the given items and omitted if fewer
-- than three remain. Orders added later are left out; orders changed or deleted since are as they were.
-- Builds of older versions did not record this; theirs are as they are now.
CREATE OR REPLACE FUNCTION reduced_baskets(b builds, kept_items bigint[]) RETURNS TABLE (items bigint[])
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000000
AS $$
BEGIN
    RETURN QUERY
        SELECT r.kept
        FROM (
            SELECT o.items, o.ordered_at
            FROM orders AS o
            WHERE b.last_order_id IS NULL OR o.order_id <= b.last_order_id AND NOT EXISTS (
                      SELECT FROM order_changes AS c
                      WHERE c.order_id = o.order_id AND c.change_id > b.last_change_id
                  )
            UNION ALL
            (SELECT DISTINCT ON (c.order_id) c.items, c.ordered_at
             FROM order_changes AS c
             WHERE c.change_id > b.last_change_id AND c.order_id <= b.last_order_id
             ORDER BY c.order_id, c.change_id)
        ) AS x
        CROSS JOIN LATERAL (
            SELECT array_agg(u.item_id ORDER BY u.item_id) AS kept
            FROM unnest(x.items) AS u(item_id)
            WHERE u.item_id = ANY (kept_items)
        ) AS r
        WHERE cardinality(x.items) > 2 AND basket_status(b, x.items, x.ordered_at) = 'basket'
          AND cardinality(r.kept) > 2;
END
$$;

-- Returns the IDs of items by name, ignoring surrounding white space; NULL for NULL. An unknown name is
-- an error: a report without it would be misleading.
CREATE OR REPLACE FUNCTION known_items(names text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    unknown text;
BEGIN
    IF names IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(n.name, 'NULL') INTO unknown
    FROM unnest(names) WITH ORDINALITY AS n(name, place)
    WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.name = spelled(n.name))
    ORDER BY n.place
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no item is called %: names are case-sensitive', unknown
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN item_ids(trimmed_names(names));
END
$$;

-- Fails unless a parameter of a report is a number within bounds.
CREATE OR REPLACE FUNCTION check_bounds(parameter text, value float8, lowest float8, highest float8)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF value BETWEEN lowest AND highest THEN -- false for NULL
        RETURN;
    END IF;
    RAISE EXCEPTION '% is %, it must be % to %', parameter, coalesce(value::text, 'NULL'), lowest, highest
        USING ERRCODE = 'invalid_parameter_value';
END
$$;
