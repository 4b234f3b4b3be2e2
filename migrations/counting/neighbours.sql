-- In order of rank, so that the rows of an answer are adjacent: a hash join preserves the order of
-- new_similar.
SET LOCAL enable_mergejoin = off;
CREATE TABLE new_item_neighbours AS
SELECT n.build_id, n.item_id, n.neighbour_rank, n.other_id, n.affinity, n.other_baskets, n.other_baskets_rank,
       n.step, coalesce(o.overlap, 0) AS overlap, n.similar_rank, n.similarity, n.other_popularity_rank,
       n.orders_together, n.confidence, n.lift
FROM new_similar AS n
LEFT JOIN new_item_overlaps AS o ON o.item_id = n.item_id AND o.other_id = n.other_id;
RESET enable_mergejoin;

ALTER TABLE new_item_neighbours
    ALTER build_id SET NOT NULL, ALTER item_id SET NOT NULL, ALTER neighbour_rank SET NOT NULL,
    ALTER other_id SET NOT NULL, ALTER affinity SET NOT NULL, ALTER other_baskets SET NOT NULL,
    ALTER other_baskets_rank SET NOT NULL, ALTER step SET NOT NULL, ALTER overlap SET NOT NULL,
    ALTER similar_rank SET NOT NULL, ALTER similarity SET NOT NULL, ALTER other_popularity_rank SET NOT NULL,
    ALTER orders_together SET NOT NULL, ALTER confidence SET NOT NULL, ALTER lift SET NOT NULL,
    ADD CONSTRAINT new_item_neighbours_pkey PRIMARY KEY (item_id, similar_rank, build_id);
-- A small statistics target suffices: these rows are looked up by key.
SET LOCAL default_statistics_target = 10;
ANALYZE new_item_neighbours;
RESET default_statistics_target;
