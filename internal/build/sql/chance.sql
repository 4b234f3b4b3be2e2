-- How much of what shares baskets does so by chance: docs/scoring.md. met is the chance that two random partners of an item, out of two of its
-- baskets, are the same item; by popularity alone it is that of two random lines. Sums of floats differ in the last bits from plan to plan, so
-- the share is rounded. Fewer than thirty baskets cannot tell.
WITH own AS (
    SELECT l.item_id, sum(d.share * d.share) AS squares, sum(d.share * l.weight / weight_units()) AS same_basket
    FROM counted_lines AS l
    CROSS JOIN LATERAL (SELECT coalesce(l.mass, weight_units()) / weight_units()::float8 AS share) AS d
    WHERE l.counted
    GROUP BY l.item_id
), items AS (
    SELECT sum((s.mass * s.mass - o.squares) / s.mass) AS chances, sum(o.same_basket / s.mass) AS same_basket
    FROM own AS o
    JOIN item_stats_:build AS s ON s.item_id = o.item_id
    WHERE s.baskets >= 2
), pairs AS (
    SELECT sum(p.weight * p.weight * (CASE WHEN a.baskets >= 2 THEN 1 / a.mass ELSE 0 END + CASE WHEN b.baskets >= 2 THEN 1 / b.mass ELSE 0 END)) AS met
    FROM item_pairs_:build AS p
    JOIN item_stats_:build AS a ON a.item_id = p.item_a
    JOIN item_stats_:build AS b ON b.item_id = p.item_b
), lines AS (
    SELECT sum(s.baskets)::bigint AS lines, sum(s.baskets::float8 * (s.baskets - 1)) AS squares FROM item_stats_:build AS s
)
UPDATE builds AS t
SET basket_lines = coalesce(l.lines, 0),
    chance_share = CASE
        WHEN t.baskets < 30 THEN 0
        WHEN p.met > i.same_basket AND i.chances > 0
            THEN round(least(l.squares / (l.lines::float8 * l.lines) / ((p.met - i.same_basket) / i.chances), 1)::numeric, 6)
        ELSE 1
    END
FROM items AS i
CROSS JOIN pairs AS p
CROSS JOIN lines AS l
WHERE t.build_id = :build;
