-- Roles with as few rights as their work needs: docs/roles.md.

-- +goose Up
-- The roles that alsobought migrate up --with-roles was told to give rights to. The server may not have them
-- any more: a database is restored without its roles.
CREATE TABLE installed_roles (
    purpose text NOT NULL CONSTRAINT installed_roles_pkey PRIMARY KEY,
    role    text NOT NULL,
    CONSTRAINT installed_roles_purpose_check CHECK (purpose IN ('loader', 'server', 'reporting'))
);

-- Trigger functions that run with their owner's rights look into this schema, and into temporary tables last.
-- Whoever fires one could otherwise put a temporary table, or a view that calls a function of his, in place
-- of ours.
-- +goose StatementBegin
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid
        FROM pg_proc AS p
        WHERE p.prosecdef AND p.prorettype = 'trigger'::regtype
          AND p.pronamespace = (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = 'builds'::regclass)
          AND p.proowner = (SELECT c.relowner FROM pg_class AS c WHERE c.oid = 'revisions'::regclass)
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path FROM CURRENT', f);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- Everything is its owner's again.
-- +goose StatementBegin
DO $$
DECLARE
    t regclass;
BEGIN
    FOR t IN
        SELECT c.oid
        FROM pg_class AS c
        JOIN installed_roles AS r ON r.purpose = 'loader' AND c.relowner = to_regrole(quote_ident(r.role))
        WHERE c.relkind IN ('r', 'p')
          AND c.relnamespace = (SELECT b.relnamespace FROM pg_class AS b WHERE b.oid = 'builds'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', t);
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP TABLE installed_roles;
