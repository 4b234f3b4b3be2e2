-- name: HeldOutDraw :execrows
-- Holds out random orders. below: the share as eight hexadecimal digits, a fraction of 2^32.
INSERT INTO held_out (order_id)
SELECT o.order_id
FROM orders AS o
WHERE left(md5(concat_ws('/', @seed::text, o.external_id)), 8) COLLATE "C" < @below::text AND o.items <> '{}'
ORDER BY o.order_id;

-- name: HeldOutTakeNewest :execrows
-- Holds out the newest orders. Orders without a time are never held out.
INSERT INTO held_out (order_id)
SELECT n.order_id
FROM (
    SELECT o.order_id, row_number() OVER (ORDER BY o.ordered_at DESC, o.external_id) AS place,
           count(*) OVER () AS orders
    FROM orders AS o
    WHERE o.ordered_at IS NOT NULL AND o.items <> '{}'
) AS n
WHERE n.place <= round(n.orders * @share::float8)
ORDER BY n.order_id;

-- name: CaseDraw :execrows
-- Draws at most @most held-out orders with two or more items.
WITH lines AS (
    SELECT o.external_id, i.item_id, count(*) OVER (PARTITION BY l.order_id) AS size,
           row_number() OVER (
               PARTITION BY l.order_id
               ORDER BY md5(concat_ws('/', @seed::text, o.external_id, i.name)), i.name
           ) AS draw
    FROM held_out AS h
    JOIN orders AS o ON o.order_id = h.order_id
    JOIN order_lines AS l ON l.order_id = h.order_id
    JOIN items AS i ON i.item_id = l.item_id
), drawn AS (
    SELECT n.external_id, min(n.item_id) FILTER (WHERE n.draw = 1) AS hidden_id,
           coalesce(array_agg(n.item_id ORDER BY n.draw) FILTER (WHERE n.draw > 1 AND s.item_id IS NOT NULL),
               '{}') AS basket
    FROM lines AS n
    LEFT JOIN item_stats AS s ON s.build_id = 0 AND s.item_id = n.item_id
    WHERE n.size >= 2
    GROUP BY n.external_id
)
INSERT INTO cases (case_id, hidden_id, basket)
SELECT row_number() OVER (ORDER BY md5(concat_ws('/', @seed::text, 'case', d.external_id)), d.external_id),
       d.hidden_id, d.basket
FROM drawn AS d
ORDER BY 1
LIMIT @most;

-- name: CaseRank :execrows
-- Ranks a range of cases: the ten items that would be served, followed by all others that share orders
-- with the basket. Measures other than affinity have no prior, so popular items come after all of these.
INSERT INTO case_rankings (method, case_id, items)
SELECT @measure::text, c.case_id, served.items || ARRAY(
    SELECT r.item_id
    FROM rank(find_trial(), basket_question(@measure::text, false, 1000000), c.seeds, '{}', NULL, 1000000)
        AS r(place, item_id)
    WHERE r.item_id <> ALL (served.items)
    ORDER BY r.place
)
FROM (SELECT k.case_id, seeds_of(0, k.basket) AS seeds FROM cases AS k
      WHERE k.case_id BETWEEN @first AND @last) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(r.item_id ORDER BY r.place), '{}') AS items
    FROM rank(find_trial(), basket_question(@measure::text, true, 10), c.seeds, '{}', NULL, 10)
        AS r(place, item_id)
    WHERE @measure::text = 'affinity'
) AS served;

-- name: CaseRankByPopularity :execrows
-- The baseline: empty rankings, filled with popular items.
INSERT INTO case_rankings (method, case_id, items)
SELECT 'popularity', c.case_id, '{}' FROM cases AS c;

-- name: GradeList :many
-- place is the rank of the hidden item: in the ranking, or after it among all other items by popularity,
-- as places are filled; NULL if the build does not know it. Sums of floats depend on their order, which
-- is that of the cases.
WITH catalogue AS (
    SELECT count(*) AS items, greatest(10, ceil(count(*) / 100.0)) AS head FROM item_stats AS s
    WHERE s.build_id = 0
), placed AS (
    SELECT r.method, r.case_id, r.items || c.basket AS excluded, r.items[1:10] AS first_items,
           cardinality(c.basket) AS seeds,
           CASE WHEN array_position(r.items, c.hidden_id) IS NOT NULL
                    THEN array_position(r.items, c.hidden_id)::bigint
                ELSE cardinality(r.items) + s.popularity_rank - (
                    SELECT count(*) FROM item_stats AS m
                    WHERE m.build_id = 0 AND m.popularity_rank < s.popularity_rank
                      AND m.item_id IN (SELECT unnest(r.items || c.basket))
                ) END AS place
    FROM case_rankings AS r
    JOIN cases AS c ON c.case_id = r.case_id
    LEFT JOIN item_stats AS s ON s.build_id = 0 AND s.item_id = c.hidden_id
), shown AS (
    SELECT p.method, f.item_id, f.popularity_rank
    FROM placed AS p
    CROSS JOIN LATERAL (
        SELECT s.item_id, s.popularity_rank FROM item_stats AS s WHERE s.build_id = 0
            AND s.item_id = ANY (p.first_items)
        UNION ALL
        SELECT z.item_id, z.popularity_rank FROM (
            SELECT s.item_id, s.popularity_rank
            FROM item_stats AS s
            WHERE s.build_id = 0 AND s.item_id <> ALL (p.excluded)
            ORDER BY s.popularity_rank
            LIMIT 10 - cardinality(p.first_items)
        ) AS z
    ) AS f
), variety AS (
    SELECT s.method, count(DISTINCT s.item_id) / min(c.items)::float8 AS coverage,
           avg((s.popularity_rank <= c.head)::integer) AS popularity_share
    FROM shown AS s
    CROSS JOIN catalogue AS c
    GROUP BY s.method
)
SELECT p.method, count(*) AS cases,
       avg((coalesce(p.place <= 5, false))::integer)::float8 AS hr_5,
       avg((coalesce(p.place <= 10, false))::integer)::float8 AS hr_10,
       avg(CASE WHEN p.place <= 10 THEN 1.0::float8 / p.place ELSE 0 END
           ORDER BY p.case_id)::float8 AS mrr_10,
       avg(CASE WHEN p.place <= 10 THEN ln(2::float8) / ln(1 + p.place::float8) ELSE 0 END
           ORDER BY p.case_id)::float8 AS ndcg_10,
       avg(CASE WHEN p.place IS NULL THEN 1
                ELSE (p.place - 1) / greatest(c.items - p.seeds - 1, 1)::float8 END
           ORDER BY p.case_id)::float8 AS mpr,
       coalesce(min(v.coverage), 0)::float8 AS coverage,
       coalesce(min(v.popularity_share), 0)::float8 AS popularity_share
FROM placed AS p
CROSS JOIN catalogue AS c
LEFT JOIN variety AS v ON v.method = p.method
GROUP BY p.method
ORDER BY p.method
LIMIT 100;
