-- Orders that arrive one by one, over HTTP.

-- +goose Up
CREATE TABLE idempotency_keys (
    sender     text  COLLATE "C" NOT NULL,
    key        text  COLLATE "C" NOT NULL,
    body_hash  bytea NOT NULL,
    receipt    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (sender, key),
    CONSTRAINT idempotency_keys_body_hash_check CHECK (octet_length(body_hash) = 32)
);
COMMENT ON TABLE idempotency_keys IS
    'What requests with an Idempotency-Key were answered, for a day, so that a repeat gets the same answer.';
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

CREATE TABLE shop_orders (
    shop          text COLLATE "C" NOT NULL,
    shop_order_id text COLLATE "C" NOT NULL,
    external_id   text COLLATE "C" NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT shop_orders_pkey PRIMARY KEY (shop, shop_order_id)
);
COMMENT ON TABLE shop_orders IS
    'Orders that shops told of by webhooks, and of which moment what we know of each is.';
CREATE INDEX shop_orders_external_id_idx ON shop_orders (external_id);

-- +goose Down
DROP TABLE shop_orders, idempotency_keys;
