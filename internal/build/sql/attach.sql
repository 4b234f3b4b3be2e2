-- The new tables become partitions. The CHECK spares ATTACH the scan for rows of other builds; it takes SHARE UPDATE EXCLUSIVE on the
-- parents, which no reader feels.
DROP TABLE counted_lines, kept_neighbours, item_overlaps;

ALTER TABLE item_stats_:build
    ADD CONSTRAINT item_stats_:build_build_check CHECK (build_id = :build),
    ALTER build_id SET NOT NULL, ALTER item_id SET NOT NULL, ALTER orders SET NOT NULL, ALTER baskets SET NOT NULL,
    ALTER popularity_rank SET NOT NULL, ALTER baskets_rank SET NOT NULL, ALTER mass SET NOT NULL,
    ADD CONSTRAINT item_stats_:build_pkey PRIMARY KEY (item_id, build_id),
    ADD CONSTRAINT item_stats_:build_popularity_rank_key UNIQUE (popularity_rank, build_id);
ALTER TABLE item_stats ATTACH PARTITION item_stats_:build FOR VALUES IN (:build);
ALTER TABLE item_stats_:build DROP CONSTRAINT item_stats_:build_build_check;

ALTER TABLE item_pairs_:build
    ADD CONSTRAINT item_pairs_:build_build_check CHECK (build_id = :build),
    ALTER build_id SET NOT NULL, ALTER item_a SET NOT NULL, ALTER item_b SET NOT NULL, ALTER orders_together SET NOT NULL,
    ALTER weight SET NOT NULL,
    ADD CONSTRAINT item_pairs_:build_pkey PRIMARY KEY (item_a, item_b, build_id);
CREATE INDEX item_pairs_:build_item_b_idx ON item_pairs_:build (item_b);
ALTER TABLE item_pairs ATTACH PARTITION item_pairs_:build FOR VALUES IN (:build);
ALTER TABLE item_pairs_:build DROP CONSTRAINT item_pairs_:build_build_check;

ALTER TABLE item_neighbours_:build
    ADD CONSTRAINT item_neighbours_:build_build_check CHECK (build_id = :build),
    ALTER build_id SET NOT NULL, ALTER item_id SET NOT NULL, ALTER neighbour_rank SET NOT NULL, ALTER other_id SET NOT NULL,
    ALTER affinity SET NOT NULL, ALTER other_baskets SET NOT NULL, ALTER other_baskets_rank SET NOT NULL,
    ALTER step SET NOT NULL, ALTER overlap SET NOT NULL, ALTER similar_rank SET NOT NULL, ALTER similarity SET NOT NULL,
    ALTER other_popularity_rank SET NOT NULL, ALTER orders_together SET NOT NULL, ALTER confidence SET NOT NULL,
    ALTER lift SET NOT NULL,
    ADD CONSTRAINT item_neighbours_:build_pkey PRIMARY KEY (item_id, similar_rank, build_id);
ALTER TABLE item_neighbours ATTACH PARTITION item_neighbours_:build FOR VALUES IN (:build);
ALTER TABLE item_neighbours_:build DROP CONSTRAINT item_neighbours_:build_build_check;

ALTER TABLE item_days_:build
    ADD CONSTRAINT item_days_:build_build_check CHECK (build_id = :build),
    ALTER build_id SET NOT NULL, ALTER day SET NOT NULL, ALTER item_id SET NOT NULL, ALTER orders SET NOT NULL,
    ADD CONSTRAINT item_days_:build_pkey PRIMARY KEY (day, item_id, build_id);
ALTER TABLE item_days ATTACH PARTITION item_days_:build FOR VALUES IN (:build);
ALTER TABLE item_days_:build DROP CONSTRAINT item_days_:build_build_check;

ANALYZE item_neighbours_:build;
