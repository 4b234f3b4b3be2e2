-- The business's own data: items, orders and their lines, and the audit of how they came in.
--
-- Foreign keys are absent from orders, order_lines and load_rejects on purpose: they are triggers that run
-- once per row, and the load path has none. One load is one transaction, so what refers and what is referred
-- to arrive together; `alsobought doctor` checks it. Names and external ids collate "C" (bytes): the same
-- order, the same ties, on every machine and after every restore.

-- +goose Up
CREATE TABLE loads (
    load_id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT loads_pkey PRIMARY KEY,
    source           text        NOT NULL,
    status           text        NOT NULL DEFAULT 'running',
    error            text,
    started_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    copy_seconds     float8      NOT NULL DEFAULT 0,
    merge_seconds    float8      NOT NULL DEFAULT 0,
    rows_read        bigint      NOT NULL DEFAULT 0,
    rows_loaded      bigint      NOT NULL DEFAULT 0,
    rows_duplicate   bigint      NOT NULL DEFAULT 0,
    rows_rejected    bigint      NOT NULL DEFAULT 0,
    rows_repeated    bigint      NOT NULL DEFAULT 0,
    orders_added     bigint      NOT NULL DEFAULT 0,
    orders_known     bigint      NOT NULL DEFAULT 0,
    items_added      bigint      NOT NULL DEFAULT 0,
    orders_deleted   bigint      NOT NULL DEFAULT 0,
    lines_deleted    bigint      NOT NULL DEFAULT 0,
    reverted_at      timestamptz,
    reverted_by      text,
    loaded_by        text        NOT NULL,
    version          text        NOT NULL,
    CONSTRAINT loads_status_check CHECK (status IN ('running', 'loaded', 'failed', 'reverted')),
    CONSTRAINT loads_every_row_check CHECK (rows_read = rows_loaded + rows_duplicate + rows_rejected),
    CONSTRAINT loads_counts_check CHECK (least(rows_read, rows_loaded, rows_duplicate, rows_rejected,
        orders_added, orders_known,
        items_added, orders_deleted, lines_deleted) >= 0),
    CONSTRAINT loads_repeated_check CHECK (rows_repeated BETWEEN 0 AND rows_duplicate),
    CONSTRAINT loads_finished_check CHECK ((status = 'running') = (finished_at IS NULL)),
    CONSTRAINT loads_error_check CHECK ((status = 'failed') = (error IS NOT NULL)),
    CONSTRAINT loads_reverted_check CHECK ((status = 'reverted') = (reverted_at IS NOT NULL)
        AND (reverted_at IS NULL) = (reverted_by IS NULL))
);
COMMENT ON TABLE loads IS 'The audit: one row per run of the loader.';
COMMENT ON COLUMN loads.rows_repeated IS
    'Of the duplicates, those whose order and item stood in the same load already (their quantities were '
    'added); the others were known from earlier loads.';
COMMENT ON COLUMN loads.orders_known IS
    'Orders that the load has lines of, but that an earlier load had brought.';
COMMENT ON COLUMN loads.lines_deleted IS
    'Lines of the load that were deleted later, with their orders (alsobought orders delete).';

CREATE TABLE load_files (
    load_id       bigint  NOT NULL,
    file_number   integer NOT NULL,
    name          text    NOT NULL,
    bytes         bigint  NOT NULL,
    sha256        bytea   NOT NULL,
    mapping       jsonb   NOT NULL,
    rows_read     bigint  NOT NULL,
    rows_rejected bigint  NOT NULL,
    CONSTRAINT load_files_pkey PRIMARY KEY (load_id, file_number),
    CONSTRAINT load_files_load_id_fkey FOREIGN KEY (load_id) REFERENCES loads,
    CONSTRAINT load_files_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT load_files_rows_check CHECK (rows_rejected BETWEEN 0 AND rows_read)
);
COMMENT ON TABLE load_files IS
    'What one load read, file by file: the bytes as given and how they were understood.';

-- The same bytes loaded twice are refused.
CREATE INDEX load_files_sha256_idx ON load_files (sha256);

CREATE TABLE load_rejects (
    load_id     bigint  NOT NULL,
    row_number  bigint  NOT NULL,
    file_number integer NOT NULL,
    line_number bigint  NOT NULL,
    reason      text    NOT NULL,
    detail      text    NOT NULL,
    raw         bytea   NOT NULL,
    said        jsonb,
    CONSTRAINT load_rejects_pkey PRIMARY KEY (load_id, row_number)
);
COMMENT ON TABLE load_rejects IS
    'Source rows that were refused, with the reason and the bytes as they stood in the file.';
COMMENT ON COLUMN load_rejects.said IS
    'What the row says, value by value, where its columns could be told apart.';

CREATE TABLE items (
    item_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT items_pkey PRIMARY KEY,
    name    text COLLATE "C" NOT NULL CONSTRAINT items_name_key UNIQUE,
    CONSTRAINT items_name_check CHECK (octet_length(name) BETWEEN 1 AND 2000)
);

CREATE TABLE orders (
    order_id    bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT orders_pkey PRIMARY KEY,
    external_id text COLLATE "C" NOT NULL CONSTRAINT orders_external_id_key UNIQUE,
    ordered_at  timestamptz,
    customer_id text,
    load_id     bigint NOT NULL,
    CONSTRAINT orders_external_id_check CHECK (octet_length(external_id) BETWEEN 1 AND 2000)
);
COMMENT ON COLUMN orders.external_id IS 'The order''s id as the business knows it.';
COMMENT ON COLUMN orders.load_id IS
    'The load that brought the order in: the first of those, still in force, that have lines of it.';

CREATE TABLE order_lines (
    order_id bigint  NOT NULL,
    item_id  bigint  NOT NULL,
    quantity numeric NOT NULL,
    load_id  bigint  NOT NULL,
    CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, item_id),
    CONSTRAINT order_lines_quantity_check CHECK (quantity > 0)
);
COMMENT ON TABLE order_lines IS 'One row per order and item; repeats inside a source add to the quantity.';

-- Most groups of lines have one line. sum(numeric) sets up a state for each of them all the same; this one
-- begins with its first number.
CREATE AGGREGATE sum_numeric(numeric) (SFUNC = numeric_add, COMBINEFUNC = numeric_add, STYPE = numeric,
    PARALLEL = SAFE);

-- What a load said of orders and lines that an earlier load had brought. It changes nothing, until the
-- earlier load is reverted: then these take the place of what goes.
CREATE TABLE known_orders (
    order_id    bigint NOT NULL,
    load_id     bigint NOT NULL,
    ordered_at  timestamptz,
    customer_id text,
    CONSTRAINT known_orders_pkey PRIMARY KEY (order_id, load_id)
);
CREATE TABLE known_lines (
    order_id bigint  NOT NULL,
    item_id  bigint  NOT NULL,
    load_id  bigint  NOT NULL,
    quantity numeric NOT NULL,
    CONSTRAINT known_lines_pkey PRIMARY KEY (order_id, item_id, load_id),
    CONSTRAINT known_lines_quantity_check CHECK (quantity > 0)
);

CREATE TABLE order_deletions (
    deletion_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT order_deletions_pkey PRIMARY KEY,
    deleted_at  timestamptz NOT NULL DEFAULT now(),
    orders      bigint      NOT NULL,
    lines       bigint      NOT NULL,
    rejects     bigint      NOT NULL DEFAULT 0,
    reason      text        NOT NULL,
    deleted_by  text        NOT NULL,
    version     text        NOT NULL,
    CONSTRAINT order_deletions_counts_check CHECK (least(orders, lines, rejects) >= 0
        AND orders + rejects > 0)
);
COMMENT ON TABLE order_deletions IS
    'The audit of orders that were deleted: how many, when, why and by whom. Not which: that may be what had '
    'to be forgotten.';

-- +goose Down
DROP AGGREGATE sum_numeric(numeric);
DROP TABLE order_deletions, known_lines, known_orders, order_lines, orders, items, load_rejects,
    load_files, loads;
