package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/pg"
)

// openReplica returns a pool for url, or nil if url is empty. The replica has to be of the same database as the
// primary, with the same migrations applied.
func openReplica(ctx context.Context, primary *pgxpool.Pool, url, passwordFile string) (*pgxpool.Pool, error) {
	if url == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	replica, err := pg.Open(ctx, url, 0, withPassword(passwordFile)...)
	if pg.IsUnreachable(err) {
		const text = "--read-url: %v: check that the replica is running, or start without it"
		return nil, fmt.Errorf(text, err) // not wrapped: message would take it for an error of DATABASE_URL
	}
	if err != nil {
		return nil, flagError{"--read-url", err}
	}
	if err := isReplica(ctx, primary, replica); err != nil {
		replica.Close()
		return nil, flagError{"--read-url", err}
	}
	return replica, nil
}

func isReplica(ctx context.Context, primary, replica *pgxpool.Pool) error {
	version, since, err := pg.SchemaVersion(ctx, primary)
	if err != nil {
		return err
	}
	replayed, replicaSince, err := pg.SchemaVersion(ctx, replica)
	switch {
	case err != nil:
		return err
	case !since.Equal(replicaSince):
		return errors.New("not a replica of the database in DATABASE_URL: use one of its hot standbys")
	case replayed != version:
		return errors.New("the replica has not replayed the migrations of its primary yet: try again once it has")
	}
	return pg.CheckSchema(ctx, replica)
}
