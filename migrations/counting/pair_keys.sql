ALTER TABLE new_item_pairs
    ALTER build_id SET NOT NULL, ALTER item_a SET NOT NULL, ALTER item_b SET NOT NULL,
    ALTER orders_together SET NOT NULL, ALTER weight SET NOT NULL,
    ADD CONSTRAINT new_item_pairs_pkey PRIMARY KEY (item_a, item_b, build_id);
CREATE INDEX new_item_pairs_item_b_idx ON new_item_pairs (item_b);
ANALYZE new_item_pairs;
