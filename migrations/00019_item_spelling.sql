-- Loads store names in Unicode's NFC, so that an accent is one character with its letter however a program
-- wrote it, and questions ask for them so. Names of before are brought into it; where both spellings are
-- known as items, they stay two, and the report names them among the near duplicates.

-- +goose Up
UPDATE items AS i
SET name = normalize(i.name, NFC)
WHERE i.name IS NOT NFC NORMALIZED
  AND octet_length(normalize(i.name, NFC)) <= 2000
  AND i.item_id = (
      SELECT min(o.item_id) FROM items AS o
      WHERE o.name IS NOT NFC NORMALIZED AND normalize(o.name, NFC) = normalize(i.name, NFC)
  )
  AND NOT EXISTS (SELECT FROM items AS o WHERE o.name = normalize(i.name, NFC));
UPDATE rules AS r
SET item = normalize(r.item, NFC),
    items = ARRAY(
        SELECT normalize(u.name, NFC)
        FROM unnest(r.items) WITH ORDINALITY AS u(name, place)
        ORDER BY u.place
    )
WHERE r.item IS NOT NFC NORMALIZED
   OR EXISTS (SELECT FROM unnest(r.items) AS u(name) WHERE u.name IS NOT NFC NORMALIZED);
COMMENT ON COLUMN items.name IS 'As loads store it: in NFC, without what cannot be seen around it.';

-- +goose Down
COMMENT ON COLUMN items.name IS NULL;
