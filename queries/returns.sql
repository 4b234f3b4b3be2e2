-- Lines of which something was returned. All that any load says of them stands in known_lines and
-- returned_lines; unsettled_lines are those of which that has changed, until order_lines and orders.items say
-- what settled_line() makes of it. All of this runs under the lock of merges.

-- name: ReturnedLineExists :one
SELECT EXISTS (SELECT FROM returned_lines)::boolean AS found;

-- name: StagedLineDispute :execrows
-- What the load claims of lines of which something was returned; run before StagedLineKnow, for which it
-- leaves the others.
WITH disputed AS (
    DELETE FROM numbered_lines AS n
    USING (SELECT DISTINCT r.order_id, r.item_id FROM returned_lines AS r) AS d
    WHERE n.order_id = d.order_id AND n.item_id = d.item_id
    RETURNING n.order_id, n.item_id, n.quantity
), known AS (
    INSERT INTO known_lines (order_id, item_id, load_id, quantity)
    SELECT d.order_id, d.item_id, @load_id::bigint, d.quantity FROM disputed AS d
)
INSERT INTO unsettled_lines (order_id, item_id)
SELECT d.order_id, d.item_id FROM disputed AS d;

-- name: StagedReturnMerge :execrows
-- What the load takes back of lines that are claimed; what nobody claims is nothing to take back. Amounts add
-- up, and "all" is more than any.
INSERT INTO returned_lines (order_id, item_id, load_id, quantity)
SELECT x.order_id, x.item_id, @load_id::bigint,
       CASE WHEN bool_and(x.quantity IS NOT NULL) THEN sum(x.quantity) END
FROM (
    SELECT o.order_id, i.item_id, s.quantity
    FROM staged_returns AS s
    JOIN orders AS o ON o.external_id = s.external_id
    JOIN items AS i ON i.name = s.item_name
    WHERE EXISTS (SELECT FROM order_lines AS l WHERE l.order_id = o.order_id AND l.item_id = i.item_id)
       OR EXISTS (SELECT FROM known_lines AS k WHERE k.order_id = o.order_id AND k.item_id = i.item_id)
    UNION ALL
    SELECT o.order_id, c.item_id, NULL
    FROM staged_returns AS s
    JOIN orders AS o ON o.external_id = s.external_id
    CROSS JOIN LATERAL (
        SELECT l.item_id FROM order_lines AS l WHERE l.order_id = o.order_id
        UNION
        SELECT k.item_id FROM known_lines AS k WHERE k.order_id = o.order_id
    ) AS c
    WHERE s.item_name IS NULL
) AS x
GROUP BY x.order_id, x.item_id;

-- name: StagedReturnUnsettle :execrows
-- Run after StagedReturnMerge. The first claim of a line of which nothing was returned before stands in
-- order_lines only.
WITH returned AS (
    SELECT r.order_id, r.item_id FROM returned_lines AS r WHERE r.load_id = @load_id::bigint
), known AS (
    INSERT INTO known_lines (order_id, item_id, load_id, quantity)
    SELECT l.order_id, l.item_id, l.load_id, l.quantity
    FROM order_lines AS l
    JOIN returned AS r ON r.order_id = l.order_id AND r.item_id = l.item_id
    ON CONFLICT (order_id, item_id, load_id) DO NOTHING
)
INSERT INTO unsettled_lines (order_id, item_id)
SELECT r.order_id, r.item_id FROM returned AS r
ON CONFLICT (order_id, item_id) DO NOTHING;

-- name: SettledLineDelete :execrows
DELETE FROM order_lines AS l
USING unsettled_lines AS u
WHERE u.order_id = l.order_id AND u.item_id = l.item_id
  AND NOT EXISTS (SELECT FROM settled_line(u.order_id, u.item_id) AS s);

-- name: SettledLineUpdate :execrows
UPDATE order_lines AS l
SET load_id = s.load_id, quantity = s.quantity
FROM unsettled_lines AS u
CROSS JOIN LATERAL settled_line(u.order_id, u.item_id) AS s
WHERE u.order_id = l.order_id AND u.item_id = l.item_id
  AND (l.load_id, l.quantity) <> (s.load_id, s.quantity);

-- name: SettledLineInsert :execrows
-- The lines that are bought again.
INSERT INTO order_lines (order_id, item_id, quantity, load_id)
SELECT u.order_id, u.item_id, s.quantity, s.load_id
FROM unsettled_lines AS u
CROSS JOIN LATERAL settled_line(u.order_id, u.item_id) AS s
WHERE NOT EXISTS (SELECT FROM order_lines AS l WHERE l.order_id = u.order_id AND l.item_id = u.item_id);

-- name: SettledOrderUpdate :execrows
-- Run last.
UPDATE orders AS o
SET items = x.items
FROM (
    SELECT u.order_id, coalesce(
               array_agg(l.item_id ORDER BY l.item_id) FILTER (WHERE l.item_id IS NOT NULL), '{}') AS items
    FROM (SELECT DISTINCT d.order_id FROM unsettled_lines AS d) AS u
    LEFT JOIN order_lines AS l ON l.order_id = u.order_id
    GROUP BY u.order_id
) AS x
WHERE x.order_id = o.order_id AND o.items <> x.items;

-- name: RevertedLineUnsettle :execrows
-- Takes out what the reverted load says of lines of which something was returned.
WITH disputed AS (
    INSERT INTO unsettled_lines (order_id, item_id)
    SELECT DISTINCT r.order_id, r.item_id
    FROM returned_lines AS r
    WHERE r.load_id = @load_id::bigint
       OR EXISTS (
           SELECT FROM known_lines AS k
           WHERE k.order_id = r.order_id AND k.item_id = r.item_id AND k.load_id = @load_id::bigint
       )
    RETURNING order_id, item_id
), returned AS (
    DELETE FROM returned_lines AS r WHERE r.load_id = @load_id::bigint
)
DELETE FROM known_lines AS k
USING disputed AS d
WHERE k.order_id = d.order_id AND k.item_id = d.item_id AND k.load_id = @load_id::bigint;

-- name: UnclaimedReturnDelete :execrows
-- Run after RevertedLineUnsettle: what is left of a line that no load in force claims any more.
DELETE FROM returned_lines AS r
USING unsettled_lines AS u
WHERE r.order_id = u.order_id AND r.item_id = u.item_id
  AND NOT EXISTS (SELECT FROM known_lines AS k WHERE k.order_id = r.order_id AND k.item_id = r.item_id);

-- name: UndisputedLineDelete :execrows
-- A line of which nothing is returned any more stands in order_lines as its first claim, which known_lines
-- does not repeat. Run after the lines are settled.
DELETE FROM known_lines AS k
USING unsettled_lines AS u, order_lines AS l
WHERE k.order_id = u.order_id AND k.item_id = u.item_id
  AND l.order_id = u.order_id AND l.item_id = u.item_id AND l.load_id = k.load_id
  AND NOT EXISTS (SELECT FROM returned_lines AS r WHERE r.order_id = u.order_id AND r.item_id = u.item_id);
