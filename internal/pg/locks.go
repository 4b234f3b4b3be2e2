package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Advisory locks have two numbers here: a class of ours, and what is locked. The first is "also" in ASCII plus a small number, so that
// other programs in the same database hardly share it.
const (
	LoadLock      int32 = 0x616c0001 // held by a running load, by load id, until its session ends
	MergeLock     int32 = 0x616c0002 // held by whoever changes items, orders or lines, until its transaction ends
	BuildLock     int32 = 0x616c0003 // held by whoever writes, switches or removes builds, until its session ends; 1 by its workers, too
	FunctionsLock int32 = 0x616c0004 // held by whoever replaces functions, until its transaction ends
)

// Lock takes the advisory lock for the session of conn and waits for it as long as ctx allows.
func Lock(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}

// TryLock takes the advisory lock for the session of conn if nobody has it, and says whether it did.
func TryLock(ctx context.Context, conn *pgx.Conn, class int32, id int64) (taken bool, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::integer, $2::bigint::integer)", class, id).Scan(&taken)
	if err != nil {
		return false, fmt.Errorf("try lock: %w", err)
	}
	return taken, nil
}

// LockShared takes the advisory lock for the session of conn, together with others who share it.
func LockShared(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock_shared($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("share lock: %w", err)
	}
	return nil
}

// Unlock gives back what Lock or TryLock took.
func Unlock(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("unlock %#x/%d: %w", class, id, err)
	}
	return nil
}

// LockTx takes the advisory lock until the end of the transaction and waits for it as long as ctx allows.
func LockTx(ctx context.Context, tx pgx.Tx, class int32, id int64) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}
