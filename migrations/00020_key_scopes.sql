-- What a key may do: any of read, write and admin. Keys made before could do all that needed a key, which was
-- writing, and ask what everybody could ask.

-- +goose Up
ALTER TABLE api_keys ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,write}';
ALTER TABLE api_keys
    ALTER COLUMN scopes DROP DEFAULT,
    ADD CONSTRAINT api_keys_scopes_check
        CHECK (scopes <@ '{read,write,admin}' AND cardinality(scopes) > 0
            AND array_position(scopes, NULL) IS NULL),
    DROP COLUMN scope;
COMMENT ON COLUMN api_keys.scopes IS 'read: ask. write: change orders and rules. admin: all of it.';

-- +goose Down
-- A key that may not write must not learn it.
UPDATE api_keys AS k
SET revoked_at = now(), revoked_by = 'migrate down'
WHERE k.revoked_at IS NULL AND NOT k.scopes && '{write,admin}';
ALTER TABLE api_keys
    ADD COLUMN scope text NOT NULL DEFAULT 'write' CONSTRAINT api_keys_scope_check CHECK (scope IN ('write')),
    DROP COLUMN scopes;
ALTER TABLE api_keys ALTER COLUMN scope DROP DEFAULT;
