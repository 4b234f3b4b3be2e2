package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// ErrNotFound means that there is no such load or order.
var ErrNotFound = errors.New("not found")

// Revert removes exactly what a load added, in one transaction, and returns its audit row. Orders and lines that other
// loads in force also contain stay, as if the reverted load had never happened: the first of those loads determines
// their values. Answers change with the next build.
//
// Errors: ErrNotFound; an error if the load is not in force (failed, still running or already reverted); database
// errors.
func Revert(ctx context.Context, pool *pgxpool.Pool, loadID int64, revertedBy string) (db.Load, error) {
	var reverted db.Load
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := pg.LockTx(ctx, tx, pg.MergeLock, 0); err != nil {
			return err
		}
		q := db.New(tx)
		var err error
		if reverted, err = q.LoadRevert(ctx, revertedBy, loadID); errors.Is(err, pgx.ErrNoRows) {
			return notRevertible(ctx, q, loadID)
		} else if err != nil {
			return fmt.Errorf("revert load %d: %w", loadID, err)
		}
		return removeLoad(ctx, tx, loadID)
	})
	return reverted, err
}

// RevertCounts is what a revert would remove.
type RevertCounts = db.LoadRevertCountRow

// PreviewRevert counts what Revert would remove of a load in force, and changes nothing. It may read all lines. Items
// go when a build finds them in no order; lines that the load took back are counted in Returns, and may come back.
func PreviewRevert(ctx context.Context, pool *pgxpool.Pool, loadID int64) (RevertCounts, error) {
	q := db.New(pool)
	if l, err := q.LoadGet(ctx, loadID); err != nil || l.Status != "loaded" {
		return RevertCounts{}, notRevertible(ctx, q, loadID)
	}
	counts, err := q.LoadRevertCount(ctx, loadID)
	if err != nil {
		return RevertCounts{}, fmt.Errorf("count what load %d added: %w", loadID, err)
	}
	return counts, nil
}

func notRevertible(ctx context.Context, q *db.Queries, loadID int64) error {
	l, err := q.LoadGet(ctx, loadID)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("load %d %w: see alsobought loads list", loadID, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("find load %d: %w", loadID, err)
	}
	return fmt.Errorf("load %d is %s: there is nothing to revert", loadID, l.Status)
}

func removeLoad(ctx context.Context, tx pgx.Tx, loadID int64) error {
	q := db.New(tx)
	of := func(statement func(context.Context, int64) (int64, error)) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) { return statement(ctx, loadID) }
	}
	if _, err := tx.Exec(ctx, createReturns); err != nil {
		return fmt.Errorf("prepare revert: %w", err)
	}
	err := runSteps(ctx,
		step{"delete returns", of(q.RevertedLineUnsettle)},
		step{"delete returns of lines that no load contains", q.UnclaimedReturnDelete},
	)
	if err == nil {
		_, err = settleLines(ctx, tx, q)
	}
	if err == nil {
		err = runSteps(ctx,
			step{"end disputes", q.UndisputedLineDelete},
			step{"reassign lines", of(q.RevertedLineInherit)},
			step{"reassign orders", of(q.RevertedOrderInherit)},
			step{"delete lines", of(q.RevertedLineDelete)},
			step{"delete orders", of(q.RevertedOrderDelete)},
			step{"delete known lines", of(q.RevertedKnownLineDelete)},
			step{"delete known orders", of(q.RevertedKnownOrderDelete)},
			step{"settle orders", q.SettledOrderUpdate},
		)
	}
	if err != nil {
		return fmt.Errorf("revert load %d: %w", loadID, err)
	}
	return nil
}

// Deletion records who deletes orders, and why.
type Deletion struct {
	Reason    string
	DeletedBy string
	Version   string
}

// DeleteOrders deletes orders permanently, whichever loads added them, and their values in rejects, and returns the
// audit row. If one of the orders does not exist, it deletes none and returns ErrNotFound. Answers change with the next
// build.
func DeleteOrders(ctx context.Context, pool *pgxpool.Pool, externalIDs []string, d Deletion) (db.OrderDeletion, error) {
	return deleteOrders(ctx, pool, d, "", func(q *db.Queries) (ids []int64, names []string, err error) {
		orders, err := q.OrderListByExternalID(ctx, externalIDs)
		if err != nil {
			return nil, nil, fmt.Errorf("find orders: %w", err)
		}
		for _, o := range orders {
			ids, names = append(ids, o.OrderID), append(names, o.ExternalID)
		}
		missing := slices.DeleteFunc(slices.Clone(externalIDs), func(id string) bool { return slices.Contains(names, id) })
		if len(missing) > 0 {
			return nil, nil, fmt.Errorf("order %s %w: nothing was deleted", strings.Join(missing, ", "), ErrNotFound)
		}
		return ids, names, nil
	})
}

// DeleteCustomer deletes all orders that any load attributes to the customer, and the values of those orders and of the
// customer in rejects. It returns ErrNotFound if there is nothing to delete.
func DeleteCustomer(ctx context.Context, pool *pgxpool.Pool, customerID string, d Deletion) (db.OrderDeletion, error) {
	return deleteOrders(ctx, pool, d, customerID, func(q *db.Queries) (ids []int64, names []string, err error) {
		orders, err := q.OrderListByCustomer(ctx, customerID)
		if err != nil {
			return nil, nil, fmt.Errorf("find orders of customer: %w", err)
		}
		for _, o := range orders {
			ids, names = append(ids, o.OrderID), append(names, o.ExternalID)
		}
		return ids, names, nil
	})
}

func deleteOrders(
	ctx context.Context, pool *pgxpool.Pool, d Deletion, customerID string,
	find func(*db.Queries) ([]int64, []string, error),
) (db.OrderDeletion, error) {
	var deletion db.OrderDeletion
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := pg.LockTx(ctx, tx, pg.MergeLock, 0); err != nil {
			return err
		}
		q := db.New(tx)
		ids, names, err := find(q)
		if err != nil {
			return err
		}
		rejects, err := q.RejectForget(ctx, names, customerID)
		if err != nil {
			return fmt.Errorf("delete the values of rejects: %w", err)
		}
		if len(ids) == 0 && rejects == 0 {
			return fmt.Errorf("orders of customer %s %w: nothing was deleted", customerID, ErrNotFound)
		}
		deletion, err = q.OrderDelete(ctx, db.OrderDeleteParams{
			OrderIDs: ids, Rejects: rejects, Reason: d.Reason, DeletedBy: d.DeletedBy, Version: d.Version,
		})
		if err != nil {
			return fmt.Errorf("delete orders: %w", err)
		}
		return nil
	})
	return deletion, err
}
