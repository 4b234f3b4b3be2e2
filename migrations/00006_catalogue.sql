-- What the business says of its items beside their names. Shown in answers, and filtered by; nothing is
-- counted from it.
--
-- No foreign key: items belongs to the load path, which has no triggers. `alsobought doctor` checks it.

-- +goose Up
CREATE TABLE item_attributes (
    item_id    bigint      NOT NULL CONSTRAINT item_attributes_pkey PRIMARY KEY,
    category   text COLLATE "C",
    label      text,
    url        text,
    image_url  text,
    price      numeric,
    active     boolean     NOT NULL DEFAULT true,
    source     text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL,
    CONSTRAINT item_attributes_texts_check CHECK (octet_length(category) BETWEEN 1 AND 2000
        AND octet_length(label) BETWEEN 1 AND 2000
        AND octet_length(url) BETWEEN 1 AND 2000 AND octet_length(image_url) BETWEEN 1 AND 2000),
    -- They are shown in pages, where javascript: and the like would run.
    CONSTRAINT item_attributes_urls_check CHECK (url ~* '^https?://[^ ]' AND image_url ~* '^https?://[^ ]'),
    CONSTRAINT item_attributes_price_check CHECK (price >= 0 AND price < 1e15)
);
CREATE INDEX item_attributes_category_idx ON item_attributes (category, item_id);
-- Whether there is any, and whether an item is one, are asked with every answer.
CREATE INDEX item_attributes_inactive_idx ON item_attributes (item_id) WHERE NOT active;
COMMENT ON TABLE item_attributes IS
    'The catalogue: attributes of items, by alsobought items load. An item need not have any.';
COMMENT ON COLUMN item_attributes.label IS
    'What to show to people instead of the name, which may be a stock code.';
COMMENT ON COLUMN item_attributes.active IS
    'Items that are not active are never recommended. They may be asked about.';
COMMENT ON COLUMN item_attributes.source IS 'The file that last changed something of it.';

-- +goose Down
DROP TABLE item_attributes;
