-- The evidence of an item for another that comes only through its closest neighbours: docs/scoring.md.
-- Steps are followed by hash joins, starting from the items that have both; the planner would rather
-- follow all steps and discard most of them.
SET LOCAL join_collapse_limit = 1;
SET LOCAL enable_mergejoin = off;
CREATE UNLOGGED TABLE new_item_overlaps AS
SELECT t.item_id, j.other_id,
       sum_bigint((t.step * k.affinity * overlap_units())::bigint) / overlap_units()::float8 AS overlap
FROM new_kept_neighbours AS t
JOIN new_kept_neighbours AS j ON j.item_id = t.item_id
JOIN new_kept_neighbours AS k ON k.item_id = t.other_id AND k.other_id = j.other_id
WHERE t.step > 0
GROUP BY t.item_id, j.other_id;
RESET join_collapse_limit;
RESET enable_mergejoin;
