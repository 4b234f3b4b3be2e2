-- name: APIKeyInsert :one
INSERT INTO api_keys (name, scopes, hint, sha256, expires_at, created_by)
VALUES (@name, @scopes, @hint, @sha256, sqlc.narg(expires_at), @created_by)
RETURNING key_id, name, scopes, hint, created_at, created_by, expires_at, revoked_at, revoked_by,
    last_used_at;

-- name: APIKeyList :many
-- All columns except the hashes.
SELECT k.key_id, k.name, k.scopes, k.hint, k.created_at, k.created_by, k.expires_at, k.revoked_at,
       k.revoked_by, k.last_used_at
FROM api_keys AS k
ORDER BY k.key_id DESC
LIMIT @lim;

-- name: APIKeyRevoke :one
UPDATE api_keys AS k
SET revoked_at = now(), revoked_by = @revoked_by::text
WHERE k.key_id = @key_id AND k.revoked_at IS NULL
RETURNING k.key_id, k.name, k.scopes, k.hint, k.created_at, k.created_by, k.expires_at, k.revoked_at,
    k.revoked_by, k.last_used_at;

-- name: APIKeyGet :one
SELECT k.key_id, k.name, k.scopes, k.hint, k.created_at, k.created_by, k.expires_at, k.revoked_at,
       k.revoked_by, k.last_used_at
FROM api_keys AS k
WHERE k.key_id = @key_id;

-- name: APIKeyFind :one
-- The key with a hash, and whether it has expired by the database's clock. use_noted: last_used_at need
-- not be written again, or cannot be, on a standby.
SELECT k.key_id, k.name, k.scopes, k.hint, k.created_at, k.created_by, k.expires_at, k.revoked_at,
       k.revoked_by, k.last_used_at,
       coalesce(k.expires_at <= now(), false)::boolean AS expired,
       (current_setting('transaction_read_only')::boolean
           OR coalesce(k.last_used_at > now() - make_interval(secs => @resolution::float8), false))::boolean
               AS use_noted
FROM api_keys AS k
WHERE k.sha256 = @sha256;

-- name: APIKeyUse :exec
-- Of concurrent requests, only the first writes.
UPDATE api_keys AS k
SET last_used_at = now()
WHERE k.key_id = @key_id
  AND (k.last_used_at IS NULL OR k.last_used_at <= now() - make_interval(secs => @resolution::float8));

-- name: APIKeyExistsUsable :one
-- Whether there is a usable key with any of the scopes.
SELECT EXISTS (
    SELECT
    FROM api_keys AS k
    WHERE k.scopes && @scopes::text[] AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())
)::boolean AS some;

-- name: SessionInsert :exec
INSERT INTO dashboard_sessions (token_sha256, key_id, expires_at)
VALUES (@token_sha256, @key_id, now() + make_interval(secs => @seconds::float8));

-- name: SessionKeyFind :one
-- The key of a session that goes on: neither it nor the key has ended.
SELECT k.key_id, k.name, k.scopes, k.hint, k.created_at, k.created_by, k.expires_at, k.revoked_at,
       k.revoked_by, k.last_used_at
FROM dashboard_sessions AS s
JOIN api_keys AS k ON k.key_id = s.key_id
WHERE s.token_sha256 = @token_sha256 AND s.expires_at > now()
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: SessionDelete :exec
DELETE FROM dashboard_sessions AS s WHERE s.token_sha256 = @token_sha256;

-- name: SessionDeleteExpired :exec
DELETE FROM dashboard_sessions AS s WHERE s.expires_at <= now();
