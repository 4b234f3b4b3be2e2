package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Advisory locks have two keys: a class of ours and the id of what is locked. A class is 0x616c0000 ("al" in ASCII)
// plus a small number, which other programs in the same database are unlikely to use.
const (
	LoadLock      int32 = 0x616c0001 // per load id: held by a running load, until its session ends
	MergeLock     int32 = 0x616c0002 // held while items, orders or lines change, until the transaction ends
	BuildLock     int32 = 0x616c0003 // held while builds change, until the session ends; id 1 also by workers
	FunctionsLock int32 = 0x616c0004 // held while functions are replaced, until the transaction ends
)

// Lock takes the advisory lock for the session of conn. It waits until ctx is done.
func Lock(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}

// TryLock takes the advisory lock for the session of conn if it is free, and reports whether it did.
func TryLock(ctx context.Context, conn *pgx.Conn, class int32, id int64) (taken bool, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::integer, $2::bigint::integer)", class, id).Scan(&taken)
	if err != nil {
		return false, fmt.Errorf("try lock: %w", err)
	}
	return taken, nil
}

// LockShared takes the advisory lock for the session of conn in shared mode. It waits until ctx is done.
func LockShared(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	_, err := conn.Exec(ctx, "SELECT pg_advisory_lock_shared($1::integer, $2::bigint::integer)", class, id)
	if err != nil {
		return fmt.Errorf("share lock: %w", err)
	}
	return nil
}

// Unlock releases a lock taken by Lock or TryLock.
func Unlock(ctx context.Context, conn *pgx.Conn, class int32, id int64) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("unlock %#x/%d: %w", class, id, err)
	}
	return nil
}

// LockTx takes the advisory lock until the end of the transaction. It waits until ctx is done.
func LockTx(ctx context.Context, tx pgx.Tx, class int32, id int64) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::integer, $2::bigint::integer)", class, id); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}
