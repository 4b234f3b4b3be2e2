-- Answers: a question is one value, its answer another, and the neighbours of a build carry what an answer
-- shows. The functions that answer are no migrations: see functions/.
--
-- Versions 3, 4, 9 and 10 were earlier forms of these functions and of the reporting schema. A database that
-- has them gives them up here, and keeps its orders and builds.

-- +goose Up
DROP SCHEMA IF EXISTS reporting CASCADE;
DROP FUNCTION IF EXISTS check_question, explain_pair, recommend, ranking, ranked, rules_in_force, pin_order,
    orders_counted, bought_together,
    grouped, item_ids, pair_measures, pair_value, affinity;
DROP TYPE IF EXISTS rule_item;
DELETE FROM goose_db_version WHERE version_id IN (3, 4, 9, 10);

CREATE SCHEMA reporting;

-- Which functions and views the database has: the hash of their files, and the functions that they made.
CREATE TABLE installed_functions (
    only_row     boolean     NOT NULL DEFAULT true CONSTRAINT installed_functions_pkey PRIMARY KEY,
    hash         text        NOT NULL,
    signatures   text[]      NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installed_functions_only_row_check CHECK (only_row)
);

-- What can be asked. kind: popular, similar, basket or order. Empty arrays for nothing, days 0 for all days.
-- fill: popular items fill the places left empty.
CREATE TYPE question AS (
    kind text, items text[], order_id text, measure text, min_support bigint, min_confidence float8,
        exclude text[], categories text[],
    days integer, fill boolean, lim integer
);

-- What answers are made from: the build, the revision of rules and catalogue, and whether none of them is in
-- force (plain).
CREATE TYPE answer_context AS (build builds, revision text, plain boolean);

-- A known item that a question is about.
CREATE TYPE seed AS (item_id bigint, name text, orders bigint, baskets bigint, mass float8);

-- What one seed says about another item. seed_place counts the seeds from 1.
CREATE TYPE candidate AS (
    seed_place bigint, item_id bigint, value float8, overlap float8, baskets bigint, baskets_rank bigint
);

-- The best candidates with their totals, and, where popularity competes with them, all items that were
-- candidates.
CREATE TYPE sums AS (item_ids bigint[], totals float8[], all_ids bigint[]);

-- recent_orders: of popularity in the last days. rules: those that pinned the item. With place NULL: left_out
-- items were left out by rules.
CREATE TYPE ranked_item AS (
    place bigint, item_id bigint, score float8, source text, recent_orders bigint, rules bigint[],
        left_out bigint
);

-- One item of a rule; item_id is NULL for a name that no item has. seed_only: the rule is for one seed item.
-- hides: the item may not be answered, because the rule says so or keeps it apart from a seed. place: where
-- the item stands in the rule.
CREATE TYPE rule_item AS (rule_id bigint, kind text, seed_only boolean, hides boolean, item_id bigint,
    place bigint);

CREATE TYPE recommendation AS (
    place bigint, item_name text, score float8, reason text, source text, popularity_rank bigint,
        orders_together bigint,
    confidence float8, lift float8, rules bigint[], category text, label text, url text, image_url text,
        price numeric
);

CREATE TYPE answer AS (
    build_id bigint, built_at timestamptz, window_days integer, dated boolean, version text, known bigint,
        unknown text[],
    rules bigint[], inactive_left_out bigint, recommendations recommendation[]
);

ALTER TABLE item_neighbours
    ADD COLUMN similar_rank          bigint,
    ADD COLUMN similarity            float8,
    ADD COLUMN other_popularity_rank bigint,
    ADD COLUMN orders_together       bigint,
    ADD COLUMN confidence            float8,
    ADD COLUMN lift                  float8;

UPDATE item_neighbours AS n
SET similar_rank          = r.similar_rank,
    similarity            = r.similarity,
    other_popularity_rank = r.popularity_rank,
    orders_together       = r.orders_together,
    confidence            = r.orders_together::float8 / r.item_baskets,
    lift                  = r.orders_together::float8 * r.baskets / (r.item_baskets::float8 * r.other_baskets)
FROM (
    SELECT k.build_id, k.item_id, k.other_id, b.baskets, i.baskets AS item_baskets,
           o.baskets AS other_baskets, o.popularity_rank,
           p.orders_together, v.similarity,
           row_number() OVER (PARTITION BY k.build_id, k.item_id ORDER BY v.similarity DESC,
               k.other_baskets_rank) AS similar_rank
    FROM item_neighbours AS k
    JOIN builds AS b ON b.build_id = k.build_id
    JOIN item_stats AS i ON i.build_id = k.build_id AND i.item_id = k.item_id
    JOIN item_stats AS o ON o.build_id = k.build_id AND o.item_id = k.other_id
    JOIN item_pairs AS p ON p.build_id = k.build_id AND p.item_a = least(k.item_id, k.other_id)
        AND p.item_b = greatest(k.item_id, k.other_id)
    CROSS JOIN LATERAL (SELECT k.affinity * power(k.other_baskets, b.similar_exponent) AS similarity) AS v
) AS r
WHERE n.build_id = r.build_id AND n.item_id = r.item_id AND n.other_id = r.other_id;

ALTER TABLE item_neighbours DROP CONSTRAINT item_neighbours_pkey;
ALTER TABLE item_neighbours
    ALTER COLUMN similar_rank SET NOT NULL,
    ALTER COLUMN similarity SET NOT NULL,
    ALTER COLUMN other_popularity_rank SET NOT NULL,
    ALTER COLUMN orders_together SET NOT NULL,
    ALTER COLUMN confidence SET NOT NULL,
    ALTER COLUMN lift SET NOT NULL,
    ADD CONSTRAINT item_neighbours_pkey PRIMARY KEY (item_id, similar_rank, build_id);
COMMENT ON COLUMN item_neighbours.similar_rank IS 'The place among the similar items of the item, from 1.';
COMMENT ON COLUMN item_neighbours.similarity IS
    'affinity * other_baskets ^ similar_exponent: what similar items are ranked by.';
COMMENT ON COLUMN item_neighbours.confidence IS
    'Of the other given the item: orders_together / the baskets of the item.';

-- How often rules and the catalogue have changed: what cached answers are checked by.
CREATE TABLE revisions (
    subject text    NOT NULL CONSTRAINT revisions_pkey PRIMARY KEY,
    changes bigint  NOT NULL DEFAULT 0,
    matters boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN revisions.matters IS
    'Whether there are rules in force or to come, or inactive items: what an answer has to look at.';
INSERT INTO revisions (subject) VALUES ('catalogue'), ('rules');

-- The first statement waits for others that change the same, so that the second sees what they did.
-- +goose StatementBegin
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE revisions SET changes = changes + 1 WHERE subject = TG_ARGV[0];
    UPDATE revisions AS r
    SET matters = CASE r.subject
        WHEN 'rules' THEN EXISTS (SELECT FROM rules AS x WHERE coalesce(x.valid_until, 'infinity') > now())
        ELSE EXISTS (SELECT FROM item_attributes AS a WHERE NOT a.active)
    END
    WHERE r.subject = TG_ARGV[0];
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION count_change FROM PUBLIC;
CREATE TRIGGER rules_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rules
    FOR EACH STATEMENT EXECUTE FUNCTION count_change('rules');
CREATE TRIGGER item_attributes_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON item_attributes
    FOR EACH STATEMENT EXECUTE FUNCTION count_change('catalogue');
UPDATE rules SET kind = kind WHERE false;
UPDATE item_attributes SET active = active WHERE false;

-- Which rules are in force, and when the last one began or ended, is read with every answer.
CREATE INDEX rules_valid_until_idx ON rules (coalesce(valid_until, 'infinity'));
CREATE INDEX rules_valid_from_idx ON rules (valid_from);

-- +goose Down
DROP SCHEMA reporting CASCADE;
-- +goose StatementBegin
DO $$
DECLARE
    signature text;
BEGIN
    FOR signature IN SELECT unnest(f.signatures) FROM installed_functions AS f LOOP
        EXECUTE 'DROP FUNCTION IF EXISTS ' || signature || ' CASCADE';
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP TABLE installed_functions;
DROP INDEX rules_valid_until_idx, rules_valid_from_idx;
DROP TRIGGER rules_change ON rules;
DROP TRIGGER item_attributes_change ON item_attributes;
DROP FUNCTION count_change;
DROP TABLE revisions;
ALTER TABLE item_neighbours DROP CONSTRAINT item_neighbours_pkey;
ALTER TABLE item_neighbours
    DROP COLUMN similar_rank, DROP COLUMN similarity, DROP COLUMN other_popularity_rank,
        DROP COLUMN orders_together,
    DROP COLUMN confidence, DROP COLUMN lift,
    ADD CONSTRAINT item_neighbours_pkey PRIMARY KEY (item_id, neighbour_rank, build_id);
DROP TYPE answer, answer_context, recommendation, rule_item, ranked_item, sums, candidate, seed, question;
