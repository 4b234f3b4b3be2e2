-- Keys of the API. Questions need none; what changes something does.

-- +goose Up
CREATE TABLE api_keys (
    key_id       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT api_keys_pkey PRIMARY KEY,
    name         text        NOT NULL,
    scope        text        NOT NULL,
    hint         text        NOT NULL,
    sha256       bytea       NOT NULL CONSTRAINT api_keys_sha256_key UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text        NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    last_used_at timestamptz,
    CONSTRAINT api_keys_name_check CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT api_keys_scope_check CHECK (scope IN ('write')),
    CONSTRAINT api_keys_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT api_keys_expires_check CHECK (expires_at > created_at
        AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT api_keys_revoked_check CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
-- Changes are signed with the name of the key they came by.
CREATE UNIQUE INDEX api_keys_name_idx ON api_keys (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE api_keys IS 'Keys of the API, by alsobought keys. The keys themselves are kept nowhere.';
COMMENT ON COLUMN api_keys.hint IS 'The beginning of the key, by which people recognise it.';
COMMENT ON COLUMN api_keys.sha256 IS
    'SHA-256 of the key, which is 128 random bits and more beside the hint: no salt and no slow hash are '
    'needed.';

-- +goose Down
DROP TABLE api_keys;
