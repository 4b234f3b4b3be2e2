-- What each function, view and trigger of ours was when migrate made it, so that doctor finds those that
-- somebody changed by hand.

-- +goose Up
CREATE TABLE installed_definitions (
    kind         text    NOT NULL,
    name         text    NOT NULL,
    sha256       bytea   NOT NULL,
    server_major integer NOT NULL,
    migrated     boolean NOT NULL,
    CONSTRAINT installed_definitions_pkey PRIMARY KEY (kind, name),
    CONSTRAINT installed_definitions_sha256_check CHECK (octet_length(sha256) = 32)
);
COMMENT ON COLUMN installed_definitions.server_major IS
    'The version of PostgreSQL that wrote the definition: another one may write the same otherwise.';
COMMENT ON COLUMN installed_definitions.migrated IS
    'Made by a migration, and not one of those that migrate replaces as a whole.';

-- +goose Down
DROP TABLE installed_definitions;
