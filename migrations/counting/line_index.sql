-- Orders by item, for explanations. A first load omits the index, because sorting all lines by item takes
-- longer than all its other keys. Looked up by name first, because CREATE INDEX IF NOT EXISTS would wait
-- for loads each time.
DO $$
BEGIN
    IF to_regclass('order_lines_item_id_idx') IS NULL THEN
        CREATE INDEX order_lines_item_id_idx ON order_lines (item_id, order_id);
    END IF;
END
$$;
