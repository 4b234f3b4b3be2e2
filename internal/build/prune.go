package build

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
)

// Prune removes the rows of all builds but the active one and the newest keep beside it, and returns how many builds that were. Their rows in
// builds stay, as pruned.
func Prune(ctx context.Context, pool *pgxpool.Pool, keep int32) (pruned int, err error) {
	if err := validateKeep(keep); err != nil {
		return 0, err
	}
	err = locked(ctx, pool, func(conn *pgx.Conn) error {
		pruned, err = prune(ctx, conn, keep)
		return err
	})
	return pruned, err
}

// prune never makes a reader wait: a build is first marked, then its partitions are detached concurrently (which waits for those who read
// them, not the other way round), then dropped. What a killed prune leaves is found by the next one.
func prune(ctx context.Context, conn *pgx.Conn, keep int32) (pruned int, err error) {
	q := db.New(conn)
	ids, err := q.BuildPrunable(ctx, keep)
	if err != nil {
		return 0, fmt.Errorf("find builds to prune: %w", err)
	}
	for _, id := range ids {
		if err := q.BuildPruned(ctx, id); err != nil {
			return 0, fmt.Errorf("prune build %d: %w", id, err)
		}
	}
	tables, err := q.BuildTableDroppable(ctx)
	if err != nil {
		return 0, fmt.Errorf("find tables to drop: %w", err)
	}
	for _, t := range tables {
		name, parent := pgx.Identifier{t.Name}.Sanitize(), pgx.Identifier{t.Parent}.Sanitize()
		switch {
		case t.Parent == "": // detached by a prune that was killed
		case t.DetachPending:
			_, err = conn.Exec(ctx, "ALTER TABLE "+parent+" DETACH PARTITION "+name+" FINALIZE")
		default:
			_, err = conn.Exec(ctx, "ALTER TABLE "+parent+" DETACH PARTITION "+name+" CONCURRENTLY")
		}
		if err == nil {
			_, err = conn.Exec(ctx, "DROP TABLE "+name)
		}
		if err != nil {
			return 0, fmt.Errorf("drop %s: %w", t.Name, err)
		}
	}
	return len(ids), nil
}

func validateKeep(keep int32) error {
	if keep < 0 {
		return fmt.Errorf("keep is %d: choose 0 or more builds", keep)
	}
	return nil
}
