-- name: RuleInsert :one
INSERT INTO rules (kind, item, items, reason, author, valid_from, valid_until)
VALUES (@kind, sqlc.narg(item), @items, @reason, @author, coalesce(sqlc.narg(valid_from)::timestamptz, now()),
    sqlc.narg(valid_until))
RETURNING *;

-- name: RuleList :many
-- Rules in force, or all, newest first, from before a given rule.
SELECT r.* FROM rules AS r
WHERE (@ended_too::boolean OR (r.valid_from <= now() AND (r.valid_until IS NULL OR r.valid_until > now())))
  AND r.rule_id < @before
ORDER BY r.rule_id DESC
LIMIT @lim;

-- name: RuleEnd :one
-- Ends a rule now; a future rule never comes into force. No row if there is no such rule or it has
-- already ended.
UPDATE rules AS r
SET valid_until = greatest(now(), r.valid_from), ended_at = now(), ended_by = @ended_by::text
WHERE r.rule_id = @rule_id AND r.ended_at IS NULL AND (r.valid_until IS NULL OR r.valid_until > now())
RETURNING *;

-- name: ItemListNamed :many
-- Returns the names that belong to items, whether or not a build knows them.
SELECT i.name FROM items AS i WHERE i.name = ANY (@names::text[]) ORDER BY i.name;

-- name: RuleGet :one
SELECT r.* FROM rules AS r WHERE r.rule_id = @rule_id;

-- name: RuleListByState :many
-- Rules of a state ('' is any) that name an item like @about ('' is any), newest first, those before a rule.
SELECT r.* FROM rules AS r
WHERE CASE @state::text
          WHEN 'in_force' THEN r.valid_from <= now() AND coalesce(r.valid_until, 'infinity') > now()
          WHEN 'to_come' THEN r.valid_from > now() AND coalesce(r.valid_until, 'infinity') > r.valid_from
          WHEN 'ended' THEN r.valid_until <= greatest(now(), r.valid_from)
          ELSE true
      END
  AND (@about::text = '' OR strpos(look(r.item), look(@about::text)) > 0
       OR EXISTS (SELECT FROM unnest(r.items) AS n(name) WHERE strpos(look(n.name), look(@about::text)) > 0))
  AND r.rule_id < @before
ORDER BY r.rule_id DESC
LIMIT @lim;

-- name: RuleCountByState :one
-- A rule that was ended before it began has ended.
SELECT count(*) FILTER (WHERE r.valid_from <= now() AND coalesce(r.valid_until, 'infinity') > now())
           AS in_force,
       count(*) FILTER (WHERE r.valid_from > now() AND coalesce(r.valid_until, 'infinity') > r.valid_from)
           AS to_come,
       count(*) FILTER (WHERE r.valid_until <= greatest(now(), r.valid_from)) AS ended
FROM rules AS r
WHERE @about::text = '' OR strpos(look(r.item), look(@about::text)) > 0
   OR EXISTS (SELECT FROM unnest(r.items) AS n(name) WHERE strpos(look(n.name), look(@about::text)) > 0);
