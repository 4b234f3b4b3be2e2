-- What webhooks need to apply events that arrive in any order.

-- +goose Up
ALTER TABLE shop_orders
    ADD COLUMN cancelled boolean NOT NULL DEFAULT false,
    ADD COLUMN version   bigint  NOT NULL DEFAULT 1;
COMMENT ON COLUMN shop_orders.version IS 'Increases with every event that is applied.';

CREATE TABLE shop_refunds (
    shop          text COLLATE "C" NOT NULL,
    shop_order_id text COLLATE "C" NOT NULL,
    refund_id     text COLLATE "C" NOT NULL,
    refunded_at   timestamptz NOT NULL,
    items         jsonb NOT NULL,
    CONSTRAINT shop_refunds_pkey PRIMARY KEY (shop, shop_order_id, refund_id),
    CONSTRAINT shop_refunds_items_check CHECK (jsonb_typeof(items) = 'object')
);
COMMENT ON TABLE shop_refunds IS
    'Refunds that shops reported. A state of the order from before a refund does not include it.';
COMMENT ON COLUMN shop_refunds.items IS 'Refunded quantity by item name.';

-- +goose Down
DROP TABLE shop_refunds;
ALTER TABLE shop_orders DROP COLUMN cancelled, DROP COLUMN version;
