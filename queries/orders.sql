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
       (SELECT coalesce(jsonb_agg(jsonb_build_object('name', i.name, 'quantity', l.quantity) ORDER BY i.name), '[]')
        FROM order_lines AS l
        JOIN items AS i ON i.item_id = l.item_id
        WHERE l.order_id = o.order_id)::jsonb AS items
FROM orders AS o
WHERE o.external_id = @external_id::text;

-- name: IdempotencyKeyGet :one
SELECT k.body_hash, k.receipt
FROM idempotency_keys AS k
WHERE k.sender = @sender AND k.key = @key AND k.created_at > now() - interval '1 day';

-- name: IdempotencyKeyInsert :exec
INSERT INTO idempotency_keys (sender, key, body_hash, receipt)
VALUES (@sender, @key, @body_hash, @receipt)
ON CONFLICT DO NOTHING;

-- name: IdempotencyKeyForget :exec
DELETE FROM idempotency_keys AS k WHERE k.created_at <= now() - interval '1 day';

-- name: ShopOrderFind :one
SELECT s.external_id FROM shop_orders AS s WHERE s.shop = @shop AND s.shop_order_id = @shop_order_id;

-- name: ShopOrderIsLater :one
SELECT EXISTS (
    SELECT FROM shop_orders AS s
    WHERE s.shop = @shop AND s.shop_order_id = @shop_order_id AND s.updated_at > @updated_at
) AS later;

-- name: ShopOrderNote :execrows
-- No row: a later state of the order is known.
INSERT INTO shop_orders AS s (shop, shop_order_id, external_id, updated_at)
VALUES (@shop, @shop_order_id, @external_id, @updated_at)
ON CONFLICT (shop, shop_order_id) DO UPDATE
SET external_id = excluded.external_id, updated_at = excluded.updated_at
WHERE s.updated_at <= excluded.updated_at;
