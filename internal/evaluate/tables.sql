-- What one evaluation works with, made inside its transaction and gone with it. held_out is what
-- the view counted_orders leaves out.
-- sqlc reads this file too.
CREATE TEMPORARY TABLE held_out (
    order_id bigint NOT NULL PRIMARY KEY
);
-- A held-out order of which one item is hidden. basket: the others, as far as the build knows them.
CREATE UNLOGGED TABLE cases (
    case_id   bigint   NOT NULL PRIMARY KEY,
    hidden_id bigint   NOT NULL,
    basket    bigint[] NOT NULL
);
-- What one way of ranking recommends for a case, best first, before anything is filled by popularity.
CREATE UNLOGGED TABLE case_rankings (
    method  text     NOT NULL,
    case_id bigint   NOT NULL,
    items   bigint[] NOT NULL
);
