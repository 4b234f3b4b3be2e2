-- The invariants that no constraint can hold, one query each: what is wrong, at most 20 rows of it, none when all is well. Every query
-- has the same shape: subject, what is wrong with it.

-- name: DoctorOrderWithoutLines :many
SELECT ('order ' || o.external_id)::text AS subject, 'has no lines'::text AS problem
FROM orders AS o
WHERE NOT EXISTS (SELECT FROM order_lines AS l WHERE l.order_id = o.order_id)
ORDER BY o.order_id
LIMIT 20;

-- name: DoctorOrderItems :many
SELECT ('order ' || o.external_id)::text AS subject, 'does not know the items of its lines'::text AS problem
FROM orders AS o
LEFT JOIN (
    SELECT k.order_id, array_agg(k.item_id ORDER BY k.item_id) AS items FROM order_lines AS k GROUP BY k.order_id
) AS l ON l.order_id = o.order_id
WHERE o.items <> coalesce(l.items, '{}')
ORDER BY o.order_id
LIMIT 20;

-- name: DoctorLineWithoutOrder :many
SELECT ('line of order ' || l.order_id || ' and item ' || l.item_id)::text AS subject, 'its order or its item is missing'::text AS problem
FROM order_lines AS l
WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.order_id = l.order_id)
   OR NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = l.item_id)
ORDER BY l.order_id, l.item_id
LIMIT 20;

-- name: DoctorAttributesWithoutItem :many
SELECT ('attributes of item ' || a.item_id)::text AS subject, 'the item is missing'::text AS problem
FROM item_attributes AS a
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = a.item_id)
ORDER BY a.item_id
LIMIT 20;

-- name: DoctorLoadCounts :many
-- Lines and orders in force or known from earlier loads; none of a load that was reverted.
WITH said AS (
    SELECT l.load_id,
           CASE l.status WHEN 'reverted' THEN 0 ELSE l.rows_loaded + l.rows_duplicate - l.rows_repeated - l.lines_deleted END AS lines,
           CASE l.status WHEN 'reverted' THEN 0 ELSE l.orders_added + l.orders_known - l.orders_deleted END AS orders,
           l.rows_rejected AS rejects
    FROM loads AS l
)
SELECT ('load ' || s.load_id)::text AS subject,
       ('says ' || s.lines || ' lines, ' || s.orders || ' orders, ' || s.rejects || ' rejects; there are ' ||
        coalesce(k.lines, 0) || ', ' || coalesce(o.orders, 0) || ', ' || coalesce(r.rejects, 0))::text AS problem
FROM said AS s
LEFT JOIN (
    SELECT x.load_id, count(*) AS lines
    FROM (SELECT a.load_id FROM order_lines AS a UNION ALL SELECT b.load_id FROM known_lines AS b) AS x
    GROUP BY x.load_id
) AS k ON k.load_id = s.load_id
LEFT JOIN (
    SELECT x.load_id, count(*) AS orders
    FROM (SELECT a.load_id FROM orders AS a UNION ALL SELECT b.load_id FROM known_orders AS b) AS x
    GROUP BY x.load_id
) AS o ON o.load_id = s.load_id
LEFT JOIN (SELECT x.load_id, count(*) AS rejects FROM load_rejects AS x GROUP BY x.load_id) AS r ON r.load_id = s.load_id
WHERE (s.lines, s.orders, s.rejects) <> (coalesce(k.lines, 0), coalesce(o.orders, 0), coalesce(r.rejects, 0))
ORDER BY s.load_id
LIMIT 20;

-- name: DoctorRowOfUnknownLoad :many
SELECT ('load ' || x.load_id)::text AS subject, 'is not in loads, but orders, lines or rejects name it'::text AS problem
FROM (
    SELECT o.load_id FROM orders AS o
    UNION SELECT l.load_id FROM order_lines AS l
    UNION SELECT k.load_id FROM known_orders AS k
    UNION SELECT k.load_id FROM known_lines AS k
    UNION SELECT r.load_id FROM load_rejects AS r
) AS x
WHERE NOT EXISTS (SELECT FROM loads AS l WHERE l.load_id = x.load_id)
ORDER BY x.load_id
LIMIT 20;

-- name: DoctorKnownRows :many
SELECT ('load ' || x.load_id || ', order ' || x.order_id)::text AS subject,
       'is known from an earlier load, but there is none, or it is the same'::text AS problem
FROM (
    SELECT k.load_id, k.order_id FROM known_orders AS k
    WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.order_id = k.order_id AND o.load_id <> k.load_id)
    UNION
    SELECT k.load_id, k.order_id FROM known_lines AS k
    WHERE NOT EXISTS (SELECT FROM order_lines AS l WHERE l.order_id = k.order_id AND l.item_id = k.item_id AND l.load_id <> k.load_id)
) AS x
ORDER BY x.load_id, x.order_id
LIMIT 20;
-- name: DoctorActiveBuild :many
SELECT 'builds'::text AS subject, 'some are ready, but none is active: alsobought builds activate ID'::text AS problem
WHERE EXISTS (SELECT FROM builds AS b WHERE b.status = 'ready') AND NOT EXISTS (SELECT FROM builds AS b WHERE b.active);

-- name: DoctorBuildCounts :many
SELECT ('build ' || b.build_id)::text AS subject,
       ('says ' || b.items || ' items, ' || b.pairs || ' pairs, ' || b.neighbours || ' neighbours; there are ' ||
        coalesce(s.n, 0) || ', ' || coalesce(p.n, 0) || ', ' || coalesce(k.n, 0))::text AS problem
FROM builds AS b
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_stats AS x GROUP BY x.build_id) AS s ON s.build_id = b.build_id
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_pairs AS x GROUP BY x.build_id) AS p ON p.build_id = b.build_id
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_neighbours AS x GROUP BY x.build_id) AS k ON k.build_id = b.build_id
WHERE b.status = 'ready' AND (b.items, b.pairs, b.neighbours) <> (coalesce(s.n, 0), coalesce(p.n, 0), coalesce(k.n, 0))
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorBuildSums :many
-- Every line counts for one item, and the statistics of a build add up to its lines.
SELECT ('build ' || b.build_id)::text AS subject,
       ('counted ' || b.order_lines || ' lines, but its items have ' || coalesce(s.orders, 0))::text AS problem
FROM builds AS b
LEFT JOIN (SELECT x.build_id, sum(x.orders) AS orders FROM item_stats AS x GROUP BY x.build_id) AS s ON s.build_id = b.build_id
WHERE b.status = 'ready' AND b.order_lines <> coalesce(s.orders, 0)
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorOrderChanges :many
-- The next build may start from the counts of this one.
SELECT ('build ' || b.build_id)::text AS subject,
       ('counted ' || b.orders || ' orders, which the changes since make ' || b.orders + c.added - c.removed
        || '; there are ' || c.orders)::text AS problem
FROM builds AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS orders, count(*) FILTER (WHERE o.order_id > b.last_order_id) AS added,
           (
               SELECT count(DISTINCT x.order_id)
               FROM order_changes AS x
               WHERE x.change_id > b.last_change_id AND x.order_id <= b.last_order_id
                 AND NOT EXISTS (SELECT FROM orders AS p WHERE p.order_id = x.order_id)
           ) AS removed
    FROM orders AS o
) AS c
WHERE b.status = 'ready' AND b.last_order_id IS NOT NULL
  AND b.window_days IS NULL AND b.half_life_days IS NULL AND b.orders + c.added - c.removed <> c.orders
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorBuildItems :many
SELECT ('build ' || s.build_id || ', item ' || s.item_id)::text AS subject, 'is not in items'::text AS problem
FROM item_stats AS s
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = s.item_id)
ORDER BY s.build_id, s.item_id
LIMIT 20;
-- name: DoctorPairs :many
-- A basket of 1000 gives a pair a weight of 1/999; where old baskets weigh less, at least a part of 2^38 that is not nothing.
SELECT ('build ' || p.build_id || ', pair of items ' || p.item_a || ' and ' || p.item_b)::text AS subject,
       'is not possible by the statistics of its items'::text AS problem
FROM item_pairs AS p
LEFT JOIN item_stats AS a ON a.build_id = p.build_id AND a.item_id = p.item_a
LEFT JOIN item_stats AS b ON b.build_id = p.build_id AND b.item_id = p.item_b
LEFT JOIN builds AS t ON t.build_id = p.build_id
WHERE p.item_a >= p.item_b OR p.orders_together < 1 OR p.orders_together > least(coalesce(a.baskets, 0), coalesce(b.baskets, 0))
   OR p.weight <> p.weight_units / weight_units()::float8
   OR NOT p.weight BETWEEN p.orders_together / CASE WHEN t.half_life_days IS NULL THEN 1000.0 ELSE 274877906944 END AND p.orders_together
ORDER BY p.build_id, p.item_a, p.item_b
LIMIT 20;

-- name: DoctorNeighbours :many
SELECT ('build ' || n.build_id || ', neighbour ' || n.neighbour_rank || ' of item ' || n.item_id)::text AS subject,
       'has no pair behind it'::text AS problem
FROM item_neighbours AS n
WHERE NOT EXISTS (
    SELECT FROM item_pairs AS p
    WHERE p.build_id = n.build_id AND p.item_a = least(n.item_id, n.other_id) AND p.item_b = greatest(n.item_id, n.other_id)
)
ORDER BY n.build_id, n.item_id, n.neighbour_rank
LIMIT 20;

-- name: DoctorOverlaps :many
SELECT ('build ' || n.build_id || ', neighbour ' || n.neighbour_rank || ' of item ' || n.item_id)::text AS subject,
       'has a step or an overlap that is no share'::text AS problem
FROM item_neighbours AS n
WHERE NOT (n.step BETWEEN 0 AND 1 AND n.overlap BETWEEN 0 AND 1)
ORDER BY n.build_id, n.item_id, n.neighbour_rank
LIMIT 20;

-- name: DoctorItemDays :many
SELECT ('build ' || d.build_id || ', ' || d.day)::text AS subject,
       ('an item is in ' || d.orders || ' orders, of ' || coalesce(o.orders, 0) || ' in all')::text AS problem
FROM (SELECT x.build_id, x.day, max(x.orders) AS orders FROM item_days AS x GROUP BY x.build_id, x.day) AS d
LEFT JOIN order_days AS o ON o.build_id = d.build_id AND o.day = d.day
WHERE d.orders > coalesce(o.orders, 0)
ORDER BY d.build_id, d.day
LIMIT 20;

-- name: DoctorOrderDays :many
SELECT ('build ' || o.build_id || ', ' || o.day)::text AS subject, 'is a day of no build that is kept: alsobought builds prune removes it'::text AS problem
FROM order_days AS o
WHERE NOT EXISTS (SELECT FROM builds AS b WHERE b.build_id = o.build_id AND b.status = 'ready')
ORDER BY o.build_id, o.day
LIMIT 20;

-- name: DoctorLeftoverTables :many
SELECT ('table ' || c.relname)::text AS subject, 'belongs to no build that is kept: alsobought builds prune removes it'::text AS problem
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = (SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = 'builds'::regclass)
  AND c.relkind = 'r' AND c.relname ~ '^(item_(stats|pairs|neighbours|days)_[0-9]+|new_.*)$'
  AND NOT EXISTS (
      SELECT FROM builds AS b
      WHERE b.status = 'ready' AND c.relname LIKE 'item\_%\_' || b.build_id
         OR b.status = 'running' AND c.relname LIKE 'new\_%'
  )
ORDER BY c.relname
LIMIT 20;

-- name: DoctorReportingRole :many
SELECT 'role alsobought_reporting'::text AS subject,
       (p.problem || ': run alsobought migrate up as a user who may create roles, or after ' ||
        'CREATE ROLE alsobought_reporting')::text AS problem
FROM (SELECT reporting_problem() AS problem) AS p
WHERE p.problem IS NOT NULL
ORDER BY p.problem
LIMIT 20;
