-- Returns what remains of a line with returns; no row if nothing remains.
--
-- A line remains if a load that contains it is later than the last load that returned all of it. Its
-- quantity is that of the first load that contains it, minus the quantity returned according to the last
-- load that contains or returns it. If nothing is left, the line does not remain.
CREATE OR REPLACE FUNCTION settled_line(of_order bigint, of_item bigint)
RETURNS TABLE (load_id bigint, quantity numeric) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT f.load_id, f.quantity - coalesce(l.quantity, 0)
FROM (
    SELECT k.load_id, k.quantity
    FROM known_lines AS k
    WHERE k.order_id = of_order AND k.item_id = of_item
    ORDER BY k.load_id
    LIMIT 1
) AS f
CROSS JOIN (
    SELECT max(k.load_id) AS last_load
    FROM known_lines AS k
    WHERE k.order_id = of_order AND k.item_id = of_item
) AS c
CROSS JOIN (
    SELECT max(r.load_id) AS last_load,
           coalesce(max(r.load_id) FILTER (WHERE r.quantity IS NULL), 0) AS last_whole
    FROM returned_lines AS r
    WHERE r.order_id = of_order AND r.item_id = of_item
) AS b
LEFT JOIN returned_lines AS l
    ON l.order_id = of_order AND l.item_id = of_item AND l.load_id = greatest(c.last_load, b.last_load)
WHERE c.last_load > b.last_whole AND f.quantity > coalesce(l.quantity, 0)
$$;
