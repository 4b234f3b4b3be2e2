-- Rules: what people decide about answers, over what was counted.
--
-- Rules name items, by name, that need not be known yet: an item can be hidden before the first order that
-- holds it. A rule is in force from valid_from until valid_until, from the moment its row is committed;
-- recommend() reads the table with every answer.

-- +goose Up
-- A name as a load stores it: without the white space around it, which is what Unicode calls so.
CREATE FUNCTION trimmed(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(name,
    E' \t\n\u000B\f\r\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
    '\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000');

-- Whether all of the names are as a load stores them.
CREATE FUNCTION all_trimmed(names text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT EXISTS (SELECT FROM unnest(names) n WHERE n <> trimmed(n));

CREATE TABLE rules (
    rule_id     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rules_pkey PRIMARY KEY,
    kind        text        NOT NULL,
    item        text COLLATE "C",
    items       text[] COLLATE "C" NOT NULL,
    reason      text        NOT NULL,
    author      text        NOT NULL,
    valid_from  timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    ended_by    text,
    CONSTRAINT rules_kind_check CHECK (kind IN ('hide', 'allow', 'pin', 'apart')),
    CONSTRAINT rules_item_check CHECK (octet_length(item) BETWEEN 1 AND 2000),
    CONSTRAINT rules_items_check CHECK (cardinality(items) BETWEEN
            CASE kind WHEN 'apart' THEN 2 ELSE 1 END AND 1000
        AND array_ndims(items) = 1 AND array_position(items, NULL) IS NULL
        AND array_position(items, '') IS NULL),
    -- no item has such a name: the rule would do nothing, and say nothing of it
    CONSTRAINT rules_trimmed_check CHECK (item = trimmed(item) AND all_trimmed(items)),
    CONSTRAINT rules_apart_check CHECK (kind <> 'apart' OR item IS NULL),
    CONSTRAINT rules_texts_check CHECK (octet_length(reason) BETWEEN 1 AND 2000
        AND octet_length(author) BETWEEN 1 AND 2000),
    CONSTRAINT rules_valid_check CHECK (valid_until >= valid_from),
    CONSTRAINT rules_times_check CHECK (valid_from >= '2000-01-01 00:00:00+00'
        AND greatest(valid_from, valid_until) < '10000-01-01 00:00:00+00'),
    CONSTRAINT rules_ended_check CHECK ((ended_at IS NULL) = (ended_by IS NULL)
        AND (ended_at IS NULL OR valid_until IS NOT NULL)
        AND octet_length(ended_by) BETWEEN 1 AND 2000)
);
COMMENT ON TABLE rules IS
    'What people decide about answers: docs/rules.md. A row is in force as soon as it is committed.';
COMMENT ON COLUMN rules.kind IS
    'hide: the items are not recommended. allow: nothing but the items is. pin: the items come first, in '
    'their order. apart: no two of the items are shown together.';
COMMENT ON COLUMN rules.item IS
    'The rule is for questions about this item, or about a basket or order that holds it. NULL: for all '
    'questions.';
COMMENT ON COLUMN rules.valid_until IS 'The rule has ended from then on. NULL: it stays in force.';
COMMENT ON COLUMN rules.ended_at IS
    'When somebody ended it early. A rule is never deleted: the table is the audit.';

-- +goose Down
DROP TABLE rules;
DROP FUNCTION all_trimmed, trimmed;
