-- What one load takes back, as it was read: of an item of an order, or, without item, of all of the order; without
-- quantity, all there is. And the lines of which something was returned that have to be settled anew. sqlc reads
-- this file too.
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
