-- The rows of catalogue files on their way in, and what they say together of each item. NULL is not said, '' is said to be empty. Temporary,
-- so that nothing of it outlives the load, whatever ends it. sqlc reads this file too.
CREATE TEMPORARY TABLE staged_items (
    file_number integer NOT NULL,
    line_number bigint  NOT NULL,
    item_name   text COLLATE "C" NOT NULL,
    category    text COLLATE "C",
    label       text COLLATE "C",
    url         text COLLATE "C",
    image_url   text COLLATE "C",
    price       text COLLATE "C",
    active      boolean,
    -- 12.5 and 12.50 are the same price.
    price_value text COLLATE "C" GENERATED ALWAYS AS (CASE price WHEN '' THEN '' ELSE trim_scale(price::numeric)::text END) STORED
) ON COMMIT DROP;
CREATE TEMPORARY TABLE named_items (
    item_id     bigint  NOT NULL,
    file_number integer NOT NULL,
    category    text,
    label       text,
    url         text,
    image_url   text,
    price       text,
    active      boolean
) ON COMMIT DROP;
