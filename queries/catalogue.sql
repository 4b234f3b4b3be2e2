-- The catalogue: merges staged_items into item_attributes. Merges hold the lock of order merges, because
-- both add items.

-- name: StagedItemContradictionList :many
-- The rows that contradict an earlier row about the same item, each with the first value that differs, and
-- their number.
WITH contradicted AS MATERIALIZED (
    SELECT s.item_name
    FROM staged_items AS s
    GROUP BY s.item_name
    HAVING min(s.category) <> max(s.category) OR min(s.label) <> max(s.label) OR min(s.url) <> max(s.url)
        OR min(s.image_url) <> max(s.image_url) OR min(s.price_value) <> max(s.price_value)
        OR bool_and(s.active) <> bool_or(s.active)
), given AS MATERIALIZED (
    SELECT s.item_name, s.file_number, s.line_number, a.place, a.attribute,
           CASE a.place WHEN 1 THEN s.category WHEN 2 THEN s.label WHEN 3 THEN s.url WHEN 4 THEN s.image_url
               WHEN 5 THEN s.price_value
               ELSE s.active::text END AS value
    FROM staged_items AS s
    JOIN contradicted AS c ON c.item_name = s.item_name
    CROSS JOIN unnest(ARRAY['category', 'label', 'url', 'image_url', 'price', 'active']) WITH ORDINALITY
        AS a (attribute, place)
), first_given AS (
    SELECT DISTINCT ON (s.item_name, s.place) s.item_name, s.place, s.file_number, s.line_number, s.value
    FROM given AS s
    WHERE s.value IS NOT NULL
    ORDER BY s.item_name, s.place, s.file_number, s.line_number
), contradictions AS (
    SELECT DISTINCT ON (s.file_number, s.line_number) s.file_number, s.line_number, s.item_name,
           s.attribute, s.value,
           f.file_number AS first_file_number, f.line_number AS first_line_number, f.value AS first_value
    FROM given AS s
    JOIN first_given AS f ON f.item_name = s.item_name AND f.place = s.place
    WHERE s.value <> f.value
    ORDER BY s.file_number, s.line_number, s.place
)
SELECT c.file_number, c.line_number, c.item_name, c.attribute::text AS attribute, c.value::text AS value,
       c.first_file_number, c.first_line_number, c.first_value::text AS first_value,
       (count(*) OVER ())::bigint AS rows
FROM contradictions AS c
ORDER BY c.file_number, c.line_number
LIMIT @lim;

-- name: StagedItemAdd :execrows
-- Adds items that are in no order and no catalogue yet.
INSERT INTO items (name)
SELECT DISTINCT s.item_name
FROM staged_items AS s
WHERE NOT EXISTS (SELECT FROM items AS i WHERE i.name = s.item_name)
ORDER BY s.item_name;

-- name: StagedItemContradictionDelete :execrows
-- Of the rows of an item that contradict each other, those stay that say what the first did.
DELETE FROM staged_items AS s
USING (
    SELECT x.item_name,
           (array_agg(x.category ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.category IS NOT NULL))[1] AS category,
           (array_agg(x.label ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.label IS NOT NULL))[1] AS label,
           (array_agg(x.url ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.url IS NOT NULL))[1] AS url,
           (array_agg(x.image_url ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.image_url IS NOT NULL))[1] AS image_url,
           (array_agg(x.price_value ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.price_value IS NOT NULL))[1] AS price_value,
           (array_agg(x.active ORDER BY x.file_number, x.line_number)
               FILTER (WHERE x.active IS NOT NULL))[1] AS active
    FROM staged_items AS x
    GROUP BY x.item_name
) AS f
WHERE f.item_name = s.item_name
  AND (s.category <> f.category OR s.label <> f.label OR s.url <> f.url OR s.image_url <> f.image_url
      OR s.price_value <> f.price_value OR s.active <> f.active);

-- name: NamedItemFold :execrows
-- What all rows say together of each item; they do not contradict each other.
INSERT INTO named_items (item_id, file_number, category, label, url, image_url, price, active)
SELECT i.item_id, max(s.file_number), min(s.category), min(s.label), min(s.url), min(s.image_url),
       min(s.price), bool_and(s.active)
FROM staged_items AS s
JOIN items AS i ON i.name = s.item_name
GROUP BY i.item_id
ORDER BY i.item_id;

-- name: ItemAttributesChange :execrows
-- Missing values stay, empty ones are removed. Rows that would not change keep their author and time.
UPDATE item_attributes AS a
SET category = x.category, label = x.label, url = x.url, image_url = x.image_url, price = x.price,
    active = x.active,
    source = x.source, changed_at = now(), changed_by = @changed_by::text
FROM (
    SELECT n.item_id, (@sources::text[])[n.file_number] AS source,
           nullif(coalesce(n.category, k.category), '') AS category,
           nullif(coalesce(n.label, k.label), '') AS label,
           nullif(coalesce(n.url, k.url), '') AS url,
           nullif(coalesce(n.image_url, k.image_url), '') AS image_url,
           CASE WHEN n.price IS NULL THEN k.price ELSE nullif(n.price, '')::numeric END AS price,
           coalesce(n.active, k.active) AS active
    FROM named_items AS n
    JOIN item_attributes AS k ON k.item_id = n.item_id
) AS x
WHERE a.item_id = x.item_id
  AND (a.category, a.label, a.url, a.image_url, a.price, a.active)
      IS DISTINCT FROM (x.category, x.label, x.url, x.image_url, x.price, x.active);

-- name: ItemAttributesAdd :execrows
-- Run after ItemAttributesChange.
INSERT INTO item_attributes (item_id, category, label, url, image_url, price, active, source, changed_by)
SELECT n.item_id, nullif(n.category, ''), nullif(n.label, ''), nullif(n.url, ''), nullif(n.image_url, ''),
       nullif(n.price, '')::numeric,
       coalesce(n.active, true), (@sources::text[])[n.file_number], @changed_by::text
FROM named_items AS n
WHERE NOT EXISTS (SELECT FROM item_attributes AS a WHERE a.item_id = n.item_id)
ORDER BY n.item_id;

-- name: ItemAttributesRemoveUnnamed :execrows
DELETE FROM item_attributes AS a
WHERE NOT EXISTS (SELECT FROM named_items AS n WHERE n.item_id = a.item_id);

-- name: ItemAttributesCoverage :one
-- How the catalogue and the orders fit together.
WITH ordered AS MATERIALIZED (
    SELECT DISTINCT l.item_id FROM order_lines AS l
)
SELECT (SELECT count(*) FROM ordered AS o
        WHERE NOT EXISTS (SELECT FROM item_attributes AS a WHERE a.item_id = o.item_id))::bigint
           AS without_attributes,
       (SELECT count(*) FROM item_attributes AS a
        WHERE NOT EXISTS (SELECT FROM ordered AS o WHERE o.item_id = a.item_id))::bigint AS in_no_order;

-- name: ItemAttributesList :many
-- One category; all of them for an empty one.
SELECT i.name AS item_name, a.category, a.label, a.url, a.image_url, a.price, a.active, a.source,
       a.changed_at, a.changed_by
FROM item_attributes AS a
JOIN items AS i ON i.item_id = a.item_id
WHERE @category::text = '' OR a.category = @category::text
ORDER BY i.name
LIMIT @lim;

-- name: ItemAttributesCategoryList :many
SELECT a.category, count(*) AS items, count(*) FILTER (WHERE a.active) AS active
FROM item_attributes AS a
GROUP BY a.category
ORDER BY a.category NULLS LAST
LIMIT @lim;
