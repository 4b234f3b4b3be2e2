-- Builds that look at a part of time, that learn their settings from the orders, and that are graded.

-- +goose Up
ALTER TABLE builds
    ADD COLUMN window_days       integer,
    ADD COLUMN half_life_days    float8,
    ADD COLUMN overlap_discount  float8 NOT NULL DEFAULT 0,
    ADD COLUMN popularity_prior  float8 NOT NULL DEFAULT 0,
    ADD COLUMN basket_lines      bigint NOT NULL DEFAULT 0,
    ADD COLUMN chance_share      float8 NOT NULL DEFAULT 0,
    ADD COLUMN large_orders      bigint NOT NULL DEFAULT 0,
    ADD COLUMN newest_ordered_at timestamptz,
    ADD COLUMN grades            jsonb,
    ADD COLUMN activated_at      timestamptz,
    ADD CONSTRAINT builds_window_days_check CHECK (window_days BETWEEN 1 AND 36500),
    ADD CONSTRAINT builds_overlap_discount_check CHECK (overlap_discount BETWEEN 0 AND 1),
    ADD CONSTRAINT builds_popularity_prior_check CHECK (popularity_prior BETWEEN 0 AND 1e6),
    ADD CONSTRAINT builds_chance_share_check CHECK (chance_share BETWEEN 0 AND 1),
    ADD CONSTRAINT builds_half_life_days_check CHECK (half_life_days BETWEEN 0.01 AND 36500);
COMMENT ON COLUMN builds.window_days IS
    'Only orders of so many days, back from the newest order, were counted. NULL: all orders.';
COMMENT ON COLUMN builds.half_life_days IS
    'An order''s weight in affinity halves with so many days of age, counted from the newest order. '
    'NULL: all weigh the same.';
COMMENT ON COLUMN builds.overlap_discount IS
    'How much of what basket items say of an item by way of each other is taken off: 0 for nothing, 1 for '
    'all of it.';
COMMENT ON COLUMN builds.popularity_prior IS
    'How much popularity says of what goes with a basket whose items are in few others: 0 for nothing.';
COMMENT ON COLUMN builds.basket_lines IS 'Lines of counted baskets: the baskets of all items added up.';
COMMENT ON COLUMN builds.chance_share IS
    'How much of what shares baskets does so by chance, popularity being what it is: 0 to 1, see '
    'docs/scoring.md.';
COMMENT ON COLUMN builds.large_orders IS 'Orders of more than max_basket items: they do not count for pairs.';
COMMENT ON COLUMN builds.newest_ordered_at IS
    'The time of the newest order that was counted. NULL: no order has a time.';
COMMENT ON COLUMN builds.grades IS 'What alsobought evaluate said of the build''s settings: docs/scoring.md.';
COMMENT ON COLUMN builds.activated_at IS
    'When the build became the active one the last time. NULL: it never was, so that no rollback leads to '
    'it.';
-- Every build there was until now had become active.
UPDATE builds SET activated_at = built_at;

ALTER TABLE item_stats ADD COLUMN mass float8;
UPDATE item_stats SET mass = baskets;
ALTER TABLE item_stats ALTER COLUMN mass SET NOT NULL;
COMMENT ON COLUMN item_stats.mass IS
    'The counted baskets that hold the item, each weighing what its age leaves of it: baskets, where there '
    'is no half-life.';

ALTER TABLE item_neighbours ADD COLUMN step float8 NOT NULL DEFAULT 0,
    ADD COLUMN overlap float8 NOT NULL DEFAULT 0;
ALTER TABLE item_neighbours ALTER COLUMN step DROP DEFAULT, ALTER COLUMN overlap DROP DEFAULT;
COMMENT ON COLUMN item_neighbours.step IS
    'How the item leads to this one of its closest neighbours: a share, 0 for those that are not close.';
COMMENT ON COLUMN item_neighbours.overlap IS
    'What the item says of the other by way of its closest neighbours: the sum of step times their affinity.';

-- Popularity over the last days. Only days that can be asked for are kept.
CREATE TABLE item_days (
    build_id bigint NOT NULL,
    day      date   NOT NULL,
    item_id  bigint NOT NULL,
    orders   bigint NOT NULL,
    CONSTRAINT item_days_pkey PRIMARY KEY (day, item_id, build_id)
) PARTITION BY LIST (build_id);
COMMENT ON TABLE item_days IS
    'Orders that hold an item, by day (UTC): the last year before the newest order.';

CREATE TABLE order_days (
    build_id bigint NOT NULL,
    day      date   NOT NULL,
    orders   bigint NOT NULL,
    CONSTRAINT order_days_pkey PRIMARY KEY (build_id, day)
);
COMMENT ON TABLE order_days IS 'All orders of a build by day (UTC): the last year before the newest order.';

-- The orders that hold an item: what explain shows of a pair.
CREATE INDEX order_lines_item_id_idx ON order_lines (item_id, order_id);

-- +goose Down
DROP INDEX order_lines_item_id_idx;
DROP TABLE order_days, item_days;
ALTER TABLE item_neighbours DROP COLUMN step, DROP COLUMN overlap;
ALTER TABLE item_stats DROP COLUMN mass;
ALTER TABLE builds DROP COLUMN window_days, DROP COLUMN half_life_days, DROP COLUMN overlap_discount,
    DROP COLUMN popularity_prior, DROP COLUMN basket_lines, DROP COLUMN chance_share,
    DROP COLUMN large_orders, DROP COLUMN newest_ordered_at, DROP COLUMN grades, DROP COLUMN activated_at;
