-- The rows of one load on their way into tables that hold others already, numbered as they were read: an order
-- has as many rows as places where its lines stand together. Temporary, so that nothing of it outlives the
-- load, whatever ends it. sqlc reads this file too.
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

-- Which numbers the items and orders have in the database, and the lines under those.
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
