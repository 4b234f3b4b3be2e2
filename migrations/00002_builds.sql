-- Builds: every computation of statistics and pairs is a version of its own.
--
-- item_stats, item_pairs and item_neighbours are partitioned by build. A new build fills tables of its own,
-- which become partitions when they are whole: readers never wait for it and never see half of it. They carry
-- no foreign keys (attaching a partition would lock what they point to); `alsobought doctor` checks the
-- references.

-- +goose Up
CREATE TABLE builds (
    build_id            bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT builds_pkey PRIMARY KEY,
    status              text        NOT NULL DEFAULT 'running',
    active              boolean     NOT NULL DEFAULT false,
    error               text,
    started_at          timestamptz NOT NULL DEFAULT now(),
    built_at            timestamptz,
    -- settings (SCORING.md's constants)
    max_basket          integer     NOT NULL,
    neighbours_kept     integer     NOT NULL,
    shrinkage           float8      NOT NULL,
    popularity_exponent float8      NOT NULL,
    similar_exponent    float8      NOT NULL,
    -- what was counted
    orders              bigint      NOT NULL DEFAULT 0,
    order_lines         bigint      NOT NULL DEFAULT 0,
    baskets             bigint      NOT NULL DEFAULT 0,
    items               bigint      NOT NULL DEFAULT 0,
    pairs               bigint      NOT NULL DEFAULT 0,
    neighbours          bigint      NOT NULL DEFAULT 0,
    -- how long each phase took
    stats_seconds       float8      NOT NULL DEFAULT 0,
    pairs_seconds       float8      NOT NULL DEFAULT 0,
    neighbours_seconds  float8      NOT NULL DEFAULT 0,
    built_by            text        NOT NULL,
    version             text        NOT NULL,
    CONSTRAINT builds_status_check CHECK (status IN ('running', 'ready', 'failed', 'pruned')),
    CONSTRAINT builds_active_check CHECK (NOT active OR status = 'ready'),
    CONSTRAINT builds_built_check CHECK ((status IN ('ready', 'pruned')) = (built_at IS NOT NULL)),
    CONSTRAINT builds_error_check CHECK ((status = 'failed') = (error IS NOT NULL)),
    CONSTRAINT builds_max_basket_check CHECK (max_basket BETWEEN 2 AND 1000),
    CONSTRAINT builds_neighbours_kept_check CHECK (neighbours_kept BETWEEN 1 AND 1000),
    CONSTRAINT builds_exponents_check CHECK (shrinkage BETWEEN 0 AND 1e6
        AND popularity_exponent BETWEEN 0 AND 1
        AND similar_exponent BETWEEN 0 AND popularity_exponent)
);
CREATE UNIQUE INDEX builds_one_active_idx ON builds (active) WHERE active;
COMMENT ON COLUMN builds.baskets IS
    'Counted baskets: orders of 2 to max_basket distinct items. The N of lift.';

CREATE TABLE item_stats (
    build_id        bigint  NOT NULL,
    item_id         bigint  NOT NULL,
    orders          bigint  NOT NULL,
    baskets         bigint  NOT NULL,
    popularity_rank bigint  NOT NULL,
    baskets_rank    bigint  NOT NULL,
    CONSTRAINT item_stats_pkey PRIMARY KEY (item_id, build_id),
    CONSTRAINT item_stats_popularity_rank_key UNIQUE (popularity_rank, build_id)
) PARTITION BY LIST (build_id);
COMMENT ON COLUMN item_stats.orders IS 'Orders that hold the item.';
COMMENT ON COLUMN item_stats.baskets IS 'Counted baskets that hold the item: the n of every measure.';
COMMENT ON COLUMN item_stats.popularity_rank IS '1 is the item in the most orders; ties by name.';
COMMENT ON COLUMN item_stats.baskets_rank IS
    'The tie rule of every ranking as one number: by baskets, then by name.';

CREATE TABLE item_pairs (
    build_id        bigint NOT NULL,
    item_a          bigint NOT NULL,
    item_b          bigint NOT NULL,
    orders_together bigint NOT NULL,
    weight          float8 NOT NULL,
    CONSTRAINT item_pairs_pkey PRIMARY KEY (item_a, item_b, build_id)
) PARTITION BY LIST (build_id);
CREATE INDEX item_pairs_item_b_idx ON item_pairs (item_b);
COMMENT ON TABLE item_pairs IS 'Two items that share counted baskets, once: item_a < item_b.';
COMMENT ON COLUMN item_pairs.orders_together IS 'Counted baskets that hold both.';
COMMENT ON COLUMN item_pairs.weight IS 'The sum over those baskets of 1/(items in the basket - 1).';

CREATE TABLE item_neighbours (
    build_id           bigint NOT NULL,
    item_id            bigint NOT NULL,
    neighbour_rank     bigint NOT NULL,
    other_id           bigint NOT NULL,
    affinity           float8 NOT NULL,
    other_baskets      bigint NOT NULL,
    other_baskets_rank bigint NOT NULL,
    CONSTRAINT item_neighbours_pkey PRIMARY KEY (item_id, neighbour_rank, build_id)
) PARTITION BY LIST (build_id);
COMMENT ON TABLE item_neighbours IS
    'The best neighbours_kept others of every item by affinity, ranked: what the default measure answers '
    'from.';

-- One sum that does not depend on the order of its terms, so that equal orders give equal bytes. Integers, by
-- value, without the numeric result and the allocated state of sum(bigint).
CREATE AGGREGATE sum_bigint(bigint) (
    SFUNC = int8pl, COMBINEFUNC = int8pl, STYPE = bigint, INITCOND = '0', PARALLEL = SAFE
);

-- +goose Down
DROP AGGREGATE sum_bigint(bigint);
DROP TABLE item_neighbours, item_pairs, item_stats, builds;
