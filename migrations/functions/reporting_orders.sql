-- Reports on all current orders, regardless of builds.

-- Attach rate by month (UTC): of the orders with any of items, the share with another item that is one of
-- others. items NULL: all orders; others NULL: any other item. The month is NULL for orders without a
-- time. Reads the lines of the named items by index; without names, all orders once.
CREATE OR REPLACE FUNCTION reporting.attach_rate(items text[] DEFAULT NULL, others text[] DEFAULT NULL)
RETURNS TABLE (month date, orders bigint, attached_orders bigint, attach_rate float8)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    main_ids  bigint[] := known_items(attach_rate.items);
    other_ids bigint[] := known_items(attach_rate.others);
BEGIN
    RETURN QUERY
        WITH requested AS MATERIALIZED (
            SELECT u.item_id, bool_or(u.main) AS main, bool_or(NOT u.main) AS other
            FROM (
                SELECT m.item_id, true AS main FROM unnest(main_ids) AS m(item_id)
                UNION ALL
                SELECT o.item_id, false FROM unnest(other_ids) AS o(item_id)
            ) AS u
            GROUP BY u.item_id
        ), held AS (
            SELECT l.order_id, bool_or(a.main) AS main, bool_or(a.other) AS other, count(*) AS items
            FROM requested AS a
            JOIN order_lines AS l ON l.item_id = a.item_id
            GROUP BY l.order_id
        ), judged AS (
            SELECT date_trunc('month', o.ordered_at AT TIME ZONE 'UTC')::date AS month,
                   cardinality(o.items) > 1
                   AND (other_ids IS NULL OR coalesce(h.other, false) AND (main_ids IS NULL OR h.items > 1))
                   AS attached
            FROM orders AS o
            LEFT JOIN held AS h ON h.order_id = o.order_id
            WHERE o.items <> '{}' AND (main_ids IS NULL OR h.main)
        )
        SELECT j.month, count(*), count(*) FILTER (WHERE j.attached),
               count(*) FILTER (WHERE j.attached)::float8 / count(*)
        FROM judged AS j
        GROUP BY j.month
        ORDER BY j.month;
END
$$;

-- Items that are never ordered together with another item, most ordered first. Reads all orders once.
CREATE OR REPLACE FUNCTION reporting.items_bought_alone(lim integer DEFAULT 20, min_orders bigint DEFAULT 1)
RETURNS TABLE (item_name text, orders bigint, first_ordered_at timestamptz, last_ordered_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM check_bounds('lim', lim, 1, 100000), check_bounds('min_orders', min_orders, 1, 1e18);
    RETURN QUERY
        SELECT i.name, a.orders, a.first_ordered_at, a.last_ordered_at
        FROM (
            SELECT u.item_id, count(*) AS orders, min(o.ordered_at) AS first_ordered_at,
                   max(o.ordered_at) AS last_ordered_at
            FROM orders AS o
            CROSS JOIN unnest(o.items) AS u(item_id)
            GROUP BY u.item_id
            HAVING max(cardinality(o.items)) = 1 AND count(*) >= min_orders
        ) AS a
        JOIN items AS i ON i.item_id = a.item_id
        ORDER BY a.orders DESC, i.name
        LIMIT lim;
END
$$;

-- The current orders of each load by outcome: counted baskets of the active build, or the reason why not.
-- orders_not_built were added after the build, or there is none. Reads all orders once.
CREATE OR REPLACE FUNCTION reporting.load_baskets()
RETURNS TABLE (
    load_id bigint, orders bigint, one_item_orders bigint, large_orders bigint, orders_outside_window bigint,
    orders_not_built bigint, baskets bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    b builds := (SELECT f FROM find_build(0) AS f);
BEGIN
    RETURN QUERY
        SELECT o.load_id, count(*), count(*) FILTER (WHERE o.status = 'one_item'),
               count(*) FILTER (WHERE o.status = 'large'),
               count(*) FILTER (WHERE o.status = 'outside_window'),
               count(*) FILTER (WHERE o.status = 'not_built'), count(*) FILTER (WHERE o.status = 'basket')
        FROM (
            SELECT x.load_id,
                   CASE WHEN b.build_id IS NULL OR x.order_id > b.last_order_id THEN 'not_built'
                        ELSE basket_status(b, x.items, x.ordered_at) END AS status
            FROM orders AS x
            WHERE x.items <> '{}'
        ) AS o
        GROUP BY o.load_id;
END
$$;

-- The funnel of each load: rows read, rows loaded, orders, counted baskets, and the losses in between.
-- rows_read = rows_rejected + rows_not_bought + rows_duplicate + rows_loaded; orders is the sum of the
-- five columns after it.
CREATE OR REPLACE VIEW reporting.load_funnel AS
SELECT l.load_id, l.source, l.status, l.started_at, l.rows_read, l.rows_rejected, l.rows_duplicate,
       l.rows_loaded, coalesce(b.orders, 0) AS orders, coalesce(b.one_item_orders, 0) AS one_item_orders,
       coalesce(b.large_orders, 0) AS large_orders,
       coalesce(b.orders_outside_window, 0) AS orders_outside_window,
       coalesce(b.orders_not_built, 0) AS orders_not_built, coalesce(b.baskets, 0) AS baskets,
       coalesce(l.rows_loaded::float8 / nullif(l.rows_read, 0), 0) AS loaded_share,
       coalesce(b.baskets::float8 / nullif(b.orders, 0), 0) AS basket_share, l.rows_not_bought
FROM loads AS l
LEFT JOIN reporting.load_baskets() AS b(
    load_id, orders, one_item_orders, large_orders, orders_outside_window, orders_not_built, baskets
) ON b.load_id = l.load_id;
