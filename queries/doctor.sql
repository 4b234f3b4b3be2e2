-- The invariants that constraints cannot enforce. Each query returns violations, at most 20 rows per
-- check. Most queries are one check and return subject and problem. Those that read all orders or all
-- lines make several checks in one pass and also return the name of the check.

-- name: DoctorOrders :many
-- Merges lines with orders in key order, without a sort or a hash table.
WITH wrong AS MATERIALIZED (
    SELECT o.external_id, coalesce(o.order_id, l.order_id) AS order_id, o.items, l.items AS of_lines
    FROM orders AS o
    FULL JOIN (
        SELECT k.order_id, array_agg(k.item_id) AS items
        FROM (SELECT x.order_id, x.item_id FROM order_lines AS x ORDER BY x.order_id, x.item_id) AS k
        GROUP BY k.order_id
    ) AS l ON l.order_id = o.order_id
    WHERE o.items IS DISTINCT FROM l.items
)
SELECT f.check_name::text AS check_name, f.subject::text AS subject, f.problem::text AS problem
FROM (
    (SELECT 'every order has lines' AS check_name, w.order_id, NULL::bigint AS item_id,
            'order ' || w.external_id AS subject, 'has no lines' AS problem
     FROM wrong AS w
     WHERE w.of_lines IS NULL AND NOT EXISTS (SELECT FROM returned_lines AS r WHERE r.order_id = w.order_id)
     ORDER BY w.order_id
     LIMIT 20)
    UNION ALL
    (SELECT 'every order lists the items of its lines', w.order_id, NULL, 'order ' || w.external_id,
            'does not list the items of its lines'
     FROM wrong AS w
     WHERE w.items <> coalesce(w.of_lines, '{}')
     ORDER BY w.order_id
     LIMIT 20)
    UNION ALL
    (SELECT 'every line has an order and an item', w.order_id, i.item_id,
            'line of order ' || w.order_id || ' and item ' || i.item_id, 'its order or its item is missing'
     FROM wrong AS w
     CROSS JOIN LATERAL unnest(w.of_lines) AS i(item_id)
     WHERE w.items IS NULL
     ORDER BY w.order_id, i.item_id
     LIMIT 20)
) AS f
ORDER BY f.check_name, f.order_id, f.item_id
LIMIT 60;

-- name: DoctorLineItems :many
-- DoctorOrders checks for lines without an order.
SELECT ('line of order ' || l.order_id || ' and item ' || l.item_id)::text AS subject,
       'its order or its item is missing'::text AS problem
FROM order_lines AS l
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = l.item_id)
  AND EXISTS (SELECT FROM orders AS o WHERE o.order_id = l.order_id)
ORDER BY l.order_id, l.item_id
LIMIT 20;

-- name: DoctorAttributesWithoutItem :many
SELECT ('attributes of item ' || a.item_id)::text AS subject, 'the item is missing'::text AS problem
FROM item_attributes AS a
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = a.item_id)
ORDER BY a.item_id
LIMIT 20;

-- name: DoctorLoads :many
-- Counts lines and orders that are in force or known from earlier loads. A reverted load has none.
WITH recorded AS (
    SELECT l.load_id,
           CASE l.status WHEN 'reverted' THEN 0
               ELSE l.rows_loaded + l.rows_duplicate - l.rows_repeated - l.lines_deleted END AS lines,
           CASE l.status WHEN 'reverted' THEN 0
               ELSE l.orders_added + l.orders_known - l.orders_deleted END AS orders,
           l.rows_rejected AS rejects, l.rows_not_bought AS not_bought
    FROM loads AS l
), there AS MATERIALIZED (
    SELECT x.load_id, sum(x.lines)::bigint AS lines, sum(x.orders)::bigint AS orders,
           sum(x.rejects)::bigint AS rejects, sum(x.not_bought)::bigint AS not_bought
    FROM (
        SELECT l.load_id, count(*) AS lines, 0 AS orders, 0 AS rejects, 0 AS not_bought
        FROM order_lines AS l
        GROUP BY l.load_id
        UNION ALL SELECT k.load_id, count(*), 0, 0, 0 FROM known_lines AS k GROUP BY k.load_id
        -- a line with returns is in both, by its first load
        UNION ALL
        SELECT l.load_id, -count(*), 0, 0, 0
        FROM (SELECT DISTINCT r.order_id, r.item_id FROM returned_lines AS r) AS d
        JOIN order_lines AS l ON l.order_id = d.order_id AND l.item_id = d.item_id
        GROUP BY l.load_id
        UNION ALL SELECT o.load_id, 0, count(*), 0, 0 FROM orders AS o GROUP BY o.load_id
        UNION ALL SELECT k.load_id, 0, count(*), 0, 0 FROM known_orders AS k GROUP BY k.load_id
        UNION ALL
        SELECT r.load_id, 0, 0, count(*) FILTER (WHERE r.outcome = 'rejected'),
               count(*) FILTER (WHERE r.outcome = 'not_bought')
        FROM load_rejects AS r
        GROUP BY r.load_id
        UNION ALL SELECT r.load_id, 0, 0, 0, 0 FROM returned_lines AS r GROUP BY r.load_id
    ) AS x
    GROUP BY x.load_id
)
SELECT f.check_name::text AS check_name, f.subject::text AS subject, f.problem::text AS problem
FROM (
    (SELECT 'every load''s counts match its rows' AS check_name, s.load_id,
            'load ' || s.load_id AS subject,
            'records ' || s.lines || ' lines, ' || s.orders || ' orders, ' || s.rejects || ' rejects, ' ||
            s.not_bought || ' not bought; found ' || coalesce(t.lines, 0) || ', ' || coalesce(t.orders, 0) ||
            ', ' || coalesce(t.rejects, 0) || ', ' || coalesce(t.not_bought, 0) AS problem
     FROM recorded AS s
     LEFT JOIN there AS t ON t.load_id = s.load_id
     WHERE (s.lines, s.orders, s.rejects, s.not_bought)
           <> (coalesce(t.lines, 0), coalesce(t.orders, 0), coalesce(t.rejects, 0), coalesce(t.not_bought, 0))
     ORDER BY s.load_id
     LIMIT 20)
    UNION ALL
    (SELECT 'every row belongs to a load', t.load_id, 'load ' || t.load_id,
            'does not exist, but orders, lines, rejects or returns refer to it'
     FROM there AS t
     WHERE NOT EXISTS (SELECT FROM loads AS l WHERE l.load_id = t.load_id)
     ORDER BY t.load_id
     LIMIT 20)
) AS f
ORDER BY f.check_name, f.load_id
LIMIT 40;

-- name: DoctorKnownRows :many
SELECT ('load ' || x.load_id || ', order ' || x.order_id)::text AS subject,
       'is recorded as known from an earlier load, but no other load has it'::text AS problem
FROM (
    SELECT k.load_id, k.order_id FROM known_orders AS k
    WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.order_id = k.order_id AND o.load_id <> k.load_id)
    UNION
    SELECT k.load_id, k.order_id FROM known_lines AS k
    WHERE NOT EXISTS (
        SELECT FROM order_lines AS l
        WHERE l.order_id = k.order_id AND l.item_id = k.item_id AND l.load_id <> k.load_id
    )
      AND NOT EXISTS (SELECT FROM returned_lines AS r WHERE r.order_id = k.order_id AND r.item_id = k.item_id)
) AS x
ORDER BY x.load_id, x.order_id
LIMIT 20;

-- name: DoctorReturnedLines :many
-- For a line with returns, known_lines has every load that contains it, and order_lines the remaining
-- quantity.
SELECT ('line of order ' || d.order_id || ' and item ' || d.item_id)::text AS subject,
       ('should be ' || coalesce(s.quantity || ' of load ' || s.load_id, 'out')
        || ' by what was returned; it is '
        || coalesce(l.quantity || ' of load ' || l.load_id, 'out'))::text AS problem
FROM (SELECT DISTINCT r.order_id, r.item_id FROM returned_lines AS r) AS d
LEFT JOIN LATERAL settled_line(d.order_id, d.item_id) AS s ON true
LEFT JOIN order_lines AS l ON l.order_id = d.order_id AND l.item_id = d.item_id
WHERE (s.load_id, s.quantity) IS DISTINCT FROM (l.load_id, l.quantity)
   OR NOT EXISTS (SELECT FROM known_lines AS k WHERE k.order_id = d.order_id AND k.item_id = d.item_id)
ORDER BY d.order_id, d.item_id
LIMIT 20;

-- name: DoctorActiveBuild :many
SELECT 'builds'::text AS subject,
       'some are ready, but none is active: run alsobought builds activate ID'::text AS problem
WHERE EXISTS (SELECT FROM builds AS b WHERE b.status = 'ready')
  AND NOT EXISTS (SELECT FROM builds AS b WHERE b.active);

-- name: DoctorBuildCounts :many
SELECT ('build ' || b.build_id)::text AS subject,
       ('records ' || b.items || ' items, ' || b.pairs || ' pairs, ' || b.neighbours ||
        ' neighbours; found ' ||
        coalesce(s.n, 0) || ', ' || coalesce(p.n, 0) || ', ' || coalesce(k.n, 0))::text AS problem
FROM builds AS b
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_stats AS x GROUP BY x.build_id)
    AS s ON s.build_id = b.build_id
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_pairs AS x GROUP BY x.build_id)
    AS p ON p.build_id = b.build_id
LEFT JOIN (SELECT x.build_id, count(*) AS n FROM item_neighbours AS x GROUP BY x.build_id)
    AS k ON k.build_id = b.build_id
WHERE b.status = 'ready'
  AND (b.items, b.pairs, b.neighbours) <> (coalesce(s.n, 0), coalesce(p.n, 0), coalesce(k.n, 0))
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorBuildSums :many
-- Each line counts for one item, so the statistics of a build add up to its lines.
SELECT ('build ' || b.build_id)::text AS subject,
       ('counted ' || b.order_lines || ' lines, but its items have ' || coalesce(s.orders, 0))::text
           AS problem
FROM builds AS b
LEFT JOIN (SELECT x.build_id, sum(x.orders) AS orders FROM item_stats AS x GROUP BY x.build_id)
    AS s ON s.build_id = b.build_id
WHERE b.status = 'ready' AND b.order_lines <> coalesce(s.orders, 0)
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorOrderChanges :many
-- The next build may start from these counts.
SELECT ('build ' || b.build_id)::text AS subject,
       ('counted ' || b.orders || ' orders, which with later changes makes ' || b.orders + d.added - d.removed
        || '; there are ' || c.orders)::text AS problem
FROM builds AS b
CROSS JOIN (SELECT count(*) AS orders FROM orders AS o WHERE o.items <> '{}') AS c
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM orders AS o WHERE o.order_id > b.last_order_id AND o.items <> '{}')
           + count(*) FILTER (WHERE x.was = '{}' AND o.items <> '{}') AS added,
           count(*) FILTER (WHERE x.was <> '{}' AND coalesce(o.items, '{}') = '{}') AS removed
    FROM (
        SELECT DISTINCT ON (y.order_id) y.order_id, y.items AS was
        FROM order_changes AS y
        WHERE y.change_id > b.last_change_id AND y.order_id <= b.last_order_id
        ORDER BY y.order_id, y.change_id
    ) AS x
    LEFT JOIN orders AS o ON o.order_id = x.order_id
) AS d
WHERE b.status = 'ready' AND b.last_order_id IS NOT NULL
  AND b.window_days IS NULL AND b.half_life_days IS NULL AND b.orders + d.added - d.removed <> c.orders
ORDER BY b.build_id
LIMIT 20;

-- name: DoctorBuildItems :many
SELECT ('build ' || s.build_id || ', item ' || s.item_id)::text AS subject, 'is not in items'::text AS problem
FROM item_stats AS s
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.item_id = s.item_id)
ORDER BY s.build_id, s.item_id
LIMIT 20;
-- name: DoctorPairs :many
-- A basket of 1000 items gives a pair a weight of 1/999; decayed, at least one unit of 2^-38.
SELECT ('build ' || p.build_id || ', pair of items ' || p.item_a || ' and ' || p.item_b)::text AS subject,
       'contradicts the statistics of its items'::text AS problem
FROM item_pairs AS p
LEFT JOIN item_stats AS a ON a.build_id = p.build_id AND a.item_id = p.item_a
LEFT JOIN item_stats AS b ON b.build_id = p.build_id AND b.item_id = p.item_b
LEFT JOIN builds AS t ON t.build_id = p.build_id
WHERE p.item_a >= p.item_b OR p.orders_together < 1
  OR p.orders_together > least(coalesce(a.baskets, 0), coalesce(b.baskets, 0))
   OR p.weight <> p.weight_units / weight_units()::float8
   OR NOT p.weight BETWEEN p.orders_together / CASE
          WHEN t.half_life_days IS NULL THEN 1000::float8
          ELSE weight_units()
      END AND p.orders_together
ORDER BY p.build_id, p.item_a, p.item_b
LIMIT 20;

-- name: DoctorNeighbours :many
SELECT ('build ' || n.build_id || ', neighbour ' || n.neighbour_rank || ' of item ' || n.item_id)::text
       AS subject,
       'has no pair behind it'::text AS problem
FROM item_neighbours AS n
WHERE NOT EXISTS (
    SELECT FROM item_pairs AS p
    WHERE p.build_id = n.build_id AND p.item_a = least(n.item_id, n.other_id)
      AND p.item_b = greatest(n.item_id, n.other_id)
)
ORDER BY n.build_id, n.item_id, n.neighbour_rank
LIMIT 20;

-- name: DoctorOverlaps :many
SELECT ('build ' || n.build_id || ', neighbour ' || n.neighbour_rank || ' of item ' || n.item_id)::text
       AS subject,
       'has a step or an overlap outside 0 to 1'::text AS problem
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
-- The holder of the build lock may be deleting them.
SELECT ('build ' || o.build_id || ', ' || o.day)::text AS subject,
       'belongs to no kept build: run alsobought builds prune'::text AS problem
FROM order_days AS o
WHERE NOT EXISTS (
    SELECT FROM builds AS b
    WHERE b.build_id = o.build_id AND (b.status = 'ready' OR b.status = 'pruned' AND builds_are_locked())
)
ORDER BY o.build_id, o.day
LIMIT 20;

-- name: DoctorPartitions :many
-- Each kept build has its partition of each table, with the right name and bounds, and there are no
-- others. Builds of old versions had no days.
WITH tables AS (
    SELECT t.parent, b.build_id, t.parent || '_' || b.build_id AS name
    FROM builds AS b
    CROSS JOIN unnest('{item_stats,item_pairs,item_neighbours,item_days}'::text[]) AS t(parent)
    WHERE b.status = 'ready'
), attached AS (
    SELECT p.relname::text AS parent, c.relname::text AS name, i.inhdetachpending AS detaching,
           pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
    WHERE p.relkind = 'p'
      AND p.relnamespace = (
          SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = 'builds'::regclass
      )
      AND p.relname IN ('item_stats', 'item_pairs', 'item_neighbours', 'item_days')
)
SELECT f.subject::text AS subject, f.problem::text AS problem
FROM (
    SELECT 'build ' || t.build_id AS subject,
           CASE WHEN a.name IS NULL
                    THEN 'has no partition of ' || t.parent || ': run alsobought build'
                WHEN a.detaching
                    THEN 'its partition of ' || t.parent || ' is half detached: run alsobought build'
                ELSE 'its partition of ' || t.parent || ' has the bounds ' || a.bound END AS problem
    FROM tables AS t
    LEFT JOIN attached AS a ON a.parent = t.parent AND a.name = t.name
    WHERE CASE
        -- builds of old versions had no days
        WHEN a.name IS NULL AND t.parent = 'item_days'
            THEN EXISTS (SELECT FROM order_days AS d WHERE d.build_id = t.build_id)
        ELSE a.name IS NULL OR a.detaching OR a.bound <> format('FOR VALUES IN (''%s'')', t.build_id)
    END
    UNION ALL
    SELECT 'table ' || a.name, 'is a partition of ' || a.parent || ', but of no kept build'
    FROM attached AS a
    WHERE a.name !~ '^item_(stats|pairs|neighbours|days)_[0-9]+$' OR a.name NOT LIKE a.parent || '\_%'
) AS f
ORDER BY f.subject, f.problem
LIMIT 20;

-- name: DoctorFunctions :many
-- Compares definitions with those that migrate installed. Another major version of PostgreSQL may format
-- the same definition differently.
SELECT (i.kind || ' ' || i.name)::text AS subject,
       (CASE WHEN d.name IS NULL THEN 'is missing' ELSE 'was changed by hand' END
        || CASE WHEN i.migrated THEN ': it belongs to a migration; restore its definition by hand'
                ELSE ': run alsobought migrate up' END)::text AS problem
FROM installed_definitions AS i
LEFT JOIN current_definitions() AS d ON d.kind = i.kind AND d.name = i.name
WHERE i.server_major = current_setting('server_version_num')::integer / 10000
  AND d.sha256 IS DISTINCT FROM i.sha256
ORDER BY i.kind, i.name
LIMIT 20;

-- name: DoctorLeftoverTables :many
SELECT ('table ' || c.relname)::text AS subject,
       'belongs to no kept build: run alsobought builds prune'::text AS problem
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = (SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = 'builds'::regclass)
  AND c.relkind = 'r' AND c.relname ~ '^(item_(stats|pairs|neighbours|days)_[0-9]+|new_.*)$'
  AND NOT EXISTS (
      SELECT FROM builds AS b
      WHERE (b.status = 'ready' OR b.status = 'pruned' AND builds_are_locked())
            AND c.relname LIKE 'item\_%\_' || b.build_id
         OR b.status = 'running' AND c.relname LIKE 'new\_%'
  )
ORDER BY c.relname
LIMIT 20;

-- name: DoctorReportingRole :many
SELECT ('role ' || r.name)::text AS subject,
       (p.problem || ': run alsobought migrate up as a user who may create roles, or after CREATE ROLE '
        || quote_ident(r.name))::text AS problem
FROM (SELECT reporting_role() AS name) AS r
CROSS JOIN (SELECT reporting_problem() AS problem) AS p
WHERE p.problem IS NOT NULL
ORDER BY p.problem
LIMIT 20;
