-- The rows of one load on their way in, exactly one per source row: an order line, or a reject (then reason is set). Temporary, so that
-- nothing of it outlives the load, whatever ends it. sqlc reads this file too.
CREATE TEMPORARY TABLE staged_rows (
    row_number  bigint  NOT NULL,
    file_number integer NOT NULL,
    line_number bigint  NOT NULL,
    order_id    text COLLATE "C",
    item_name   text COLLATE "C",
    quantity    numeric,
    ordered_at  timestamptz,
    customer_id text,
    reason      text,
    detail      text,
    raw         bytea,
    said        jsonb
) ON COMMIT DROP;
