package builds

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Diff is what changed from one build to another. Its lists are cut off at a limit. Builds of equal orders and
// settings have no differences.
type Diff struct {
	Before        Counted          `json:"before"`
	After         Counted          `json:"after"`
	Settings      []SettingChange  `json:"settings"` // those that differ
	ItemsAppeared int64            `json:"items_appeared"`
	ItemsVanished int64            `json:"items_vanished"`
	PairsAppeared int64            `json:"pairs_appeared"`
	PairsVanished int64            `json:"pairs_vanished"`
	Appeared      []PairOfOneBuild `json:"appeared"` // most orders together first, then by name
	Vanished      []PairOfOneBuild `json:"vanished"` // likewise
	Moved         []Move           `json:"moved"`    // largest change of affinity first, then by name
}

// Counted holds the totals of one build of a Diff.
type Counted struct {
	BuildID int64 `json:"build_id"`
	Orders  int64 `json:"orders"`
	Baskets int64 `json:"baskets"`
	Items   int64 `json:"items"`
	Pairs   int64 `json:"pairs"`
}

// SettingChange is a setting that differs, named like its flag. 0 stands for no window or no half-life.
type SettingChange struct {
	Setting string  `json:"setting"`
	Before  float64 `json:"before"`
	After   float64 `json:"after"`
}

// PairOfOneBuild is a pair that only one of the builds has, its items in order of name.
type PairOfOneBuild = db.BuildDiffPairListRow

// Move is a pair that both builds have, in one direction: the affinity of Other given Item. A rank is 0 if
// Other is not among the stored neighbours of Item.
type Move = db.BuildDiffMoveListRow

// Compare returns what changed from build before to build after, with at most limit rows per list. It reads all
// pairs of both builds. If either is not kept, the error is ErrNotFound.
func Compare(ctx context.Context, pool *pgxpool.Pool, before, after int64, limit int32) (diff Diff, err error) {
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			diff, err = compare(ctx, tx, before, after, limit)
			return err
		})
	})
	return diff, err
}

func compare(ctx context.Context, tx pgx.Tx, before, after int64, limit int32) (Diff, error) {
	// Every row of both builds is read, but the planner expects few and would look them up one by one.
	_, err := tx.Exec(ctx, "SET LOCAL work_mem = '256MB'; "+
		"SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; "+
		"SET LOCAL join_collapse_limit = 1; SET LOCAL jit = off")
	if err != nil {
		return Diff{}, fmt.Errorf("prepare to compare: %w", err)
	}
	q := db.New(tx)
	previous, err := kept(ctx, q, before)
	if err != nil {
		return Diff{}, err
	}
	next, err := kept(ctx, q, after)
	if err != nil {
		return Diff{}, err
	}
	diff := Diff{
		Before: countedOf(previous), After: countedOf(next),
		Settings: settingChanges(SettingsOf(previous), SettingsOf(next)),
	}
	counts, err := q.BuildDiffCount(ctx, after, before)
	if err != nil {
		return Diff{}, fmt.Errorf("count differences: %w", err)
	}
	diff.ItemsAppeared, diff.ItemsVanished = counts.ItemsAppeared, counts.ItemsVanished
	diff.PairsAppeared, diff.PairsVanished = counts.PairsAppeared, counts.PairsVanished
	diff.Appeared, diff.Vanished = []PairOfOneBuild{}, []PairOfOneBuild{}
	if diff.PairsAppeared > 0 {
		if diff.Appeared, err = q.BuildDiffPairList(ctx, after, before, limit); err != nil {
			return Diff{}, fmt.Errorf("list pairs that appeared: %w", err)
		}
	}
	if diff.PairsVanished > 0 {
		if diff.Vanished, err = q.BuildDiffPairList(ctx, before, after, limit); err != nil {
			return Diff{}, fmt.Errorf("list pairs that vanished: %w", err)
		}
	}
	if diff.Moved, err = q.BuildDiffMoveList(ctx, before, after, limit); err != nil {
		return Diff{}, fmt.Errorf("list pairs that moved: %w", err)
	}
	// A prune marks a build before it removes any rows, so if both are still kept, everything read above is
	// complete.
	for _, id := range []int64{before, after} {
		if _, err := kept(ctx, q, id); err != nil {
			return Diff{}, err
		}
	}
	return diff, nil
}

func kept(ctx context.Context, q *db.Queries, id int64) (db.Build, error) {
	b, err := q.BuildReady(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Build{}, notKept(id)
	}
	if err != nil {
		return db.Build{}, fmt.Errorf("find build %d: %w", id, err)
	}
	return b, nil
}

func notKept(id int64) error {
	return fmt.Errorf("%w: %d is not kept; see alsobought builds list", ErrNotFound, id)
}

func countedOf(b db.Build) Counted {
	return Counted{BuildID: b.BuildID, Orders: b.Orders, Baskets: b.Baskets, Items: b.Items, Pairs: b.Pairs}
}

func settingChanges(before, after Settings) []SettingChange {
	changes := []SettingChange{}
	for _, s := range SettingTable {
		if c := (SettingChange{s.Name, s.Value(before), s.Value(after)}); c.Before != c.After {
			changes = append(changes, c)
		}
	}
	return changes
}
