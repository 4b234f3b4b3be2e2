-- Orders that arrive one by one, over HTTP: what became of them, and what they are now.

-- name: OrderReceiptList :many
-- What a load did with orders, by external id: whether it brought them in, and how many lines it added.
SELECT o.external_id,
       (o.load_id = @load_id::bigint)::boolean AS added,
       (SELECT count(*) FROM order_lines AS l WHERE l.order_id = o.order_id AND l.load_id = @load_id::bigint)
           AS lines_added
FROM orders AS o
WHERE o.external_id = ANY (@external_ids::text[])
ORDER BY o.external_id;

-- name: OrderGet :one
-- pending: the active build has not seen the order, or not as it is now.
SELECT o.external_id, o.ordered_at, coalesce(o.customer_id, '')::text AS customer_id, o.load_id,
       coalesce(
           (SELECT o.order_id > b.last_order_id
                   OR EXISTS (
                       SELECT FROM order_changes AS c
                       WHERE c.change_id > b.last_change_id AND c.order_id = o.order_id
                   )
            FROM builds AS b
            WHERE b.active),
           true
       )::boolean AS pending,
       (SELECT coalesce(
                   jsonb_agg(jsonb_build_object('name', i.name, 'quantity', l.quantity) ORDER BY i.name),
                   '[]')
        FROM order_lines AS l
        JOIN items AS i ON i.item_id = l.item_id
        WHERE l.order_id = o.order_id)::jsonb AS items
FROM orders AS o
WHERE o.external_id = @external_id::text;

-- name: IdempotencyKeyGet :one
SELECT k.body_hash, k.receipt
FROM idempotency_keys AS k
WHERE k.sender = @sender AND k.key = @key AND k.created_at > now() - interval '1 day';

-- name: IdempotencyKeyInsert :execrows
-- No row: another request with the key was answered within a day.
INSERT INTO idempotency_keys AS k (sender, key, body_hash, receipt)
VALUES (@sender, @key, @body_hash, @receipt)
ON CONFLICT (sender, key) DO UPDATE
SET body_hash = excluded.body_hash, receipt = excluded.receipt, created_at = excluded.created_at
WHERE k.created_at <= now() - interval '1 day';

-- name: IdempotencyKeyForget :exec
DELETE FROM idempotency_keys AS k WHERE k.created_at <= now() - interval '1 day';

-- name: OrderLineClaimList :many
-- The lines of orders, including returned ones: the quantity as first loaded, and what is left of it.
SELECT o.external_id, i.name,
       coalesce(
           (SELECT k.quantity
            FROM known_lines AS k
            WHERE k.order_id = x.order_id AND k.item_id = x.item_id
              AND EXISTS (
                  SELECT FROM returned_lines AS r WHERE r.order_id = x.order_id AND r.item_id = x.item_id
              )
            ORDER BY k.load_id
            LIMIT 1),
           l.quantity, 0
       )::float8 AS quantity,
       coalesce(l.quantity, 0)::float8 AS quantity_left
FROM orders AS o
CROSS JOIN LATERAL (
    SELECT c.order_id, c.item_id FROM order_lines AS c WHERE c.order_id = o.order_id
    UNION
    SELECT r.order_id, r.item_id FROM returned_lines AS r WHERE r.order_id = o.order_id
) AS x
JOIN items AS i ON i.item_id = x.item_id
LEFT JOIN order_lines AS l ON l.order_id = x.order_id AND l.item_id = x.item_id
WHERE o.external_id = ANY (@external_ids::text[])
ORDER BY o.external_id, i.name;

-- name: ShopOrderGet :one
SELECT s.external_id, s.updated_at, s.cancelled, s.version
FROM shop_orders AS s
WHERE s.shop = @shop AND s.shop_order_id = @shop_order_id;

-- name: ShopOrderNote :execrows
-- Stores the time of an order's state. @version is the row's version, or 0 if there was none; no row: it has
-- changed since.
INSERT INTO shop_orders AS s (shop, shop_order_id, external_id, updated_at, cancelled)
SELECT @shop, @shop_order_id, @external_id, @updated_at, @cancelled
WHERE @version::bigint = 0
   OR EXISTS (SELECT FROM shop_orders AS x WHERE x.shop = @shop AND x.shop_order_id = @shop_order_id)
ON CONFLICT (shop, shop_order_id) DO UPDATE
SET external_id = excluded.external_id, updated_at = excluded.updated_at, cancelled = excluded.cancelled,
    version = s.version + 1
WHERE s.version = @version::bigint;

-- name: ShopRefundInsert :execrows
-- Stores a refund. @version is that of the order, or 0 if it is unknown; no row: it has changed since, or the
-- refund is already stored.
WITH noted AS (
    UPDATE shop_orders AS s
    SET version = s.version + 1
    WHERE s.shop = @shop AND s.shop_order_id = @shop_order_id AND s.version = @version::bigint
    RETURNING s.version
)
INSERT INTO shop_refunds (shop, shop_order_id, refund_id, refunded_at, items)
SELECT @shop, @shop_order_id, @refund_id, @refunded_at, @items
WHERE EXISTS (SELECT FROM noted)
   OR (@version::bigint = 0
       AND NOT EXISTS (
           SELECT FROM shop_orders AS s WHERE s.shop = @shop AND s.shop_order_id = @shop_order_id
       ))
ON CONFLICT DO NOTHING;

-- name: ShopRefundList :many
-- The refunds of an order that its state at a time does not include.
SELECT r.refund_id, r.items
FROM shop_refunds AS r
WHERE r.shop = @shop AND r.shop_order_id = @shop_order_id AND r.refunded_at > @after
ORDER BY r.refund_id
LIMIT 10000;

-- name: ShopRefundExists :one
SELECT EXISTS (
    SELECT FROM shop_refunds AS r
    WHERE r.shop = @shop AND r.shop_order_id = @shop_order_id AND r.refund_id = @refund_id
) AS found;
