-- Functions for evaluations, whose trial build has ID 0.

CREATE OR REPLACE FUNCTION find_trial() RETURNS builds LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT b FROM builds AS b WHERE b.build_id = 0);

CREATE OR REPLACE FUNCTION basket_question(measure text, fill boolean, lim integer) RETURNS question
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW('basket', '{}', NULL, measure, 0, 0, '{}', '{}', 0, fill, lim)::question;
