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

-- +goose Down
DROP TABLE idempotency_keys;
