-- The kept neighbours with the evidence that answers show, ranked as similar items.
CREATE UNLOGGED TABLE new_similar AS
SELECT b.build_id, n.*, v.similarity,
       row_number() OVER (
           PARTITION BY n.item_id ORDER BY v.similarity DESC, n.other_baskets_rank
       ) AS similar_rank,
       n.orders_together::float8 / n.baskets AS confidence,
       n.orders_together::float8 * b.baskets / (n.baskets::float8 * n.other_baskets) AS lift
FROM new_kept_neighbours AS n
CROSS JOIN builds AS b
CROSS JOIN LATERAL (SELECT n.affinity * power(n.other_baskets, b.similar_exponent) AS similarity) AS v
WHERE b.status = 'running';
