-- What one load takes back, as read: a quantity of an item of an order. item_name is NULL for the whole
-- order, quantity is NULL for everything. unsettled_lines are the lines with returns whose bought quantity
-- has to be recomputed. sqlc also reads this file.
CREATE TEMPORARY TABLE staged_returns (
    external_id text COLLATE "C" NOT NULL,
    item_name   text COLLATE "C",
    quantity    numeric
) ON COMMIT DROP;
CREATE TEMPORARY TABLE unsettled_lines (
    order_id bigint NOT NULL,
    item_id  bigint NOT NULL,
    PRIMARY KEY (order_id, item_id)
) ON COMMIT DROP;
