-- The share of co-occurrence that is due to chance: docs/scoring.md. met is the probability that two
-- random partners of an item, from two of its baskets, are the same item; by popularity alone it would be
-- that of two random lines. Sums of floats differ in the last bits between plans, so the share is
-- rounded. Fewer than thirty baskets are not enough.
WITH items AS (
    SELECT sum((s.mass * s.mass - c.squares) / s.mass) AS chances, sum(c.same_basket / s.mass) AS same_basket
    FROM new_item_counts AS c
    JOIN new_item_stats AS s ON s.item_id = c.item_id
    WHERE s.baskets >= 2
), pairs AS (
    SELECT sum(p.weight * p.weight * (
               CASE WHEN a.baskets >= 2 THEN 1 / a.mass ELSE 0 END
               + CASE WHEN b.baskets >= 2 THEN 1 / b.mass ELSE 0 END
           )) AS met
    FROM new_item_pairs AS p
    JOIN new_item_stats AS a ON a.item_id = p.item_a
    JOIN new_item_stats AS b ON b.item_id = p.item_b
), lines AS (
    SELECT sum(s.baskets)::bigint AS lines, sum(s.baskets::float8 * (s.baskets - 1)) AS squares
    FROM new_item_stats AS s
)
UPDATE builds AS t
SET basket_lines = coalesce(l.lines, 0),
    chance_share = CASE
        WHEN t.baskets < 30 THEN 0
        WHEN p.met > i.same_basket AND i.chances > 0 THEN round(least(
            l.squares / (l.lines::float8 * l.lines) / ((p.met - i.same_basket) / i.chances), 1)::numeric, 6)
        ELSE 1
    END
FROM items AS i
CROSS JOIN pairs AS p
CROSS JOIN lines AS l
WHERE t.status = 'running';
