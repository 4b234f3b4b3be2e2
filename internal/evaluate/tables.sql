-- The working tables of one evaluation, created inside its transaction and rolled back with it. The view
-- counted_orders leaves out the orders in held_out. sqlc reads this file too.
CREATE TEMPORARY TABLE held_out (
    order_id bigint NOT NULL PRIMARY KEY
);
-- Held-out orders with one item hidden. basket: the other items, as far as the build knows them.
CREATE UNLOGGED TABLE cases (
    case_id   bigint   NOT NULL PRIMARY KEY,
    hidden_id bigint   NOT NULL,
    basket    bigint[] NOT NULL
);
-- What each method recommends for a case, best first, before filling up with popular items.
CREATE UNLOGGED TABLE case_rankings (
    method  text     NOT NULL,
    case_id bigint   NOT NULL,
    items   bigint[] NOT NULL
);
