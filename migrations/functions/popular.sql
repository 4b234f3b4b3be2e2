-- Popularity: the items in the most orders.

-- Returns the number of orders of a build, in total or in the last days up to its newest order.
CREATE OR REPLACE FUNCTION orders_counted(b builds, days integer) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF days = 0 THEN
        RETURN b.orders;
    END IF;
    RETURN (
        SELECT coalesce(sum(d.orders), 0)
        FROM order_days AS d
        WHERE d.build_id = b.build_id AND d.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - days
    );
END
$$;

-- Returns the number of orders in the last days with each item.
CREATE OR REPLACE FUNCTION recent_orders(build_id bigint, newest timestamptz, days integer)
RETURNS TABLE (item_id bigint, orders bigint) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT d.item_id, sum(d.orders)::bigint
FROM item_days AS d
WHERE d.build_id = recent_orders.build_id AND d.day > (newest AT TIME ZONE 'UTC')::date - days
GROUP BY d.item_id
$$;

-- Ranks the most popular items, of all orders or of the last days. The score is the share of these
-- orders.
CREATE OR REPLACE FUNCTION rank_popular(b builds, days integer, excluded bigint[], allowed bigint[],
    lim bigint)
RETURNS SETOF ranked_item LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
AS $$
DECLARE
    total float8 := orders_counted(b, days);
BEGIN
    IF days = 0 THEN
        RETURN QUERY
            SELECT row_number() OVER (ORDER BY s.popularity_rank), s.item_id, s.orders / total, 'popular',
                   NULL::bigint, NULL::bigint[], NULL::bigint
            FROM item_stats AS s
            WHERE s.build_id = b.build_id AND s.item_id NOT IN (SELECT unnest(excluded))
              AND (allowed IS NULL OR s.item_id IN (SELECT unnest(allowed)))
            ORDER BY s.popularity_rank
            LIMIT lim;
    ELSE
        RETURN QUERY
            SELECT row_number() OVER (ORDER BY r.orders DESC, s.popularity_rank), s.item_id,
                   r.orders / total, 'popular',
                   r.orders, NULL::bigint[], NULL::bigint
            FROM recent_orders(b.build_id, b.newest_ordered_at, days) AS r
            JOIN item_stats AS s ON s.build_id = b.build_id AND s.item_id = r.item_id
            WHERE r.item_id NOT IN (SELECT unnest(excluded))
              AND (allowed IS NULL OR r.item_id IN (SELECT unnest(allowed)))
            ORDER BY r.orders DESC, s.popularity_rank
            LIMIT lim;
    END IF;
END
$$;
