-- staged_items holds the rows of catalogue files, named_items what they say together about each item. NULL
-- means not given, '' means empty. The tables are temporary, so that they do not outlive the load, however it
-- ends. sqlc also reads this file.
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
    price_value text COLLATE "C" GENERATED ALWAYS AS (
        CASE price WHEN '' THEN '' ELSE trim_scale(price::numeric)::text END
    ) STORED
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
