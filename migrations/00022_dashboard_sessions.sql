-- Who is signed in to the dashboard, by which key.

-- +goose Up
CREATE TABLE dashboard_sessions (
    token_sha256 bytea       NOT NULL CONSTRAINT dashboard_sessions_pkey PRIMARY KEY,
    key_id       bigint      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    CONSTRAINT dashboard_sessions_key_id_fkey FOREIGN KEY (key_id) REFERENCES api_keys,
    CONSTRAINT dashboard_sessions_token_sha256_check CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT dashboard_sessions_expires_check CHECK (expires_at > created_at)
);
COMMENT ON TABLE dashboard_sessions IS
    'Browsers that are signed in to the dashboard. A session ends with its key, and after half a day.';
COMMENT ON COLUMN dashboard_sessions.token_sha256 IS
    'SHA-256 of the random text in the browser''s cookie: who reads this table cannot sign in by it.';
CREATE INDEX dashboard_sessions_expires_at_idx ON dashboard_sessions (expires_at);

-- +goose Down
DROP TABLE dashboard_sessions;
