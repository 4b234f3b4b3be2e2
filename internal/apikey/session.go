package apikey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// SessionLife is how long a session lasts, unless its key ends before that.
const SessionLife = 12 * time.Hour

// Begin begins a session of a key that was checked, and returns the token that stands for it. The database has the
// token's SHA-256 only. Sessions that have expired go at the same time.
//
// Errors: of the database; one that is read only, as a standby is, begins none.
func Begin(ctx context.Context, database db.DBTX, key Key) (token string, err error) {
	token = rand.Text()
	q := db.New(database)
	if err := q.SessionDeleteExpired(ctx); err != nil {
		return "", fmt.Errorf("remove sessions that have expired: %w", err)
	}
	if err := q.SessionInsert(ctx, hash(token), key.KeyID, SessionLife.Seconds()); err != nil {
		return "", fmt.Errorf("begin a session: %w", err)
	}
	return token, nil
}

// Of returns the key of the session that a token stands for.
//
// Errors: ErrRefused when there is no such session, or it or its key has ended; database errors.
func Of(ctx context.Context, database db.DBTX, token string) (Key, error) {
	if token == "" {
		return Key{}, ErrMissing
	}
	row, err := pg.Retried(ctx, database, func() (db.SessionKeyFindRow, error) {
		return db.New(database).SessionKeyFind(ctx, hash(token))
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Key{}, fmt.Errorf("%w: the session has ended", ErrRefused)
	case err != nil:
		return Key{}, fmt.Errorf("find session: %w", err)
	}
	return inUTC(Key(row)), nil
}

// End ends a session. There need not be one.
func End(ctx context.Context, database db.DBTX, token string) error {
	if err := db.New(database).SessionDelete(ctx, hash(token)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
