-- The rows of one load before they are merged into tables that already have rows, with the numbers assigned
-- while reading: an order has one row per run of consecutive lines. The tables are temporary, so that they do
-- not outlive the load, however it ends. sqlc also reads this file.
CREATE TEMPORARY TABLE staged_names (
    item_id bigint NOT NULL,
    name    text COLLATE "C" NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_orders (
    order_id    bigint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    ordered_at  timestamptz,
    customer_id text,
    load_id     bigint NOT NULL,
    items       bigint[] NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_lines (
    order_id bigint  NOT NULL,
    item_id  bigint  NOT NULL,
    quantity numeric NOT NULL,
    load_id  bigint  NOT NULL
) ON COMMIT DROP;

-- The ids of the items and orders in the database, and the lines with these ids.
CREATE TEMPORARY TABLE item_numbers (
    staged_id bigint NOT NULL,
    item_id   bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE order_numbers (
    staged_id bigint NOT NULL,
    order_id  bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE numbered_lines (
    order_id bigint  NOT NULL,
    item_id  bigint  NOT NULL,
    quantity numeric NOT NULL
) ON COMMIT DROP;
