-- What an item says of another only because its closest neighbours say it: docs/scoring.md. Every step is
-- followed by hash, from the items that have both: the planner would rather follow all steps and see later
-- which of them meet.
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
