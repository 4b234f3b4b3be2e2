package recommend_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/recommend"
)

// A transaction that has found its build answers from it even if the build is replaced and pruned meanwhile. The prune
// waits for it.
func TestBuildIsPrunedWhileAsked(t *testing.T) {
	t.Parallel()
	s := bread(t)
	want, err := s.Ask(t.Context(), recommend.Basket([]string{"bread"}, recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if active, err := db.New(tx).BuildActive(t.Context()); err != nil || active.BuildID != 1 {
		t.Fatalf("build %d, %v", active.BuildID, err)
	}
	mustBuild(t, s.pool, builds.DefaultSettings())
	pruned := make(chan error, 1)
	go func() {
		_, err := builds.Prune(t.Context(), s.pool, 0)
		pruned <- err
	}()
	for marked := false; !marked; {
		first, err := db.New(s.pool).BuildGet(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		marked = first.Status == "pruned"
	}
	got, err := recommend.New(tx).Ask(t.Context(), recommend.Basket([]string{"bread"}, recommend.Options{}))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-before +while it is pruned):\n%s", err, diff)
	}
	select {
	case err := <-pruned:
		t.Errorf("the prune did not wait: %v", err)
	default:
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-pruned; err != nil {
		t.Fatal(err)
	}
	after, err := s.Ask(t.Context(), recommend.Basket([]string{"bread"}, recommend.Options{}))
	if err != nil || after.Metadata.BuildID != 2 {
		t.Errorf("%+v, %v", after, err)
	}
	var left int
	if err := s.pool.QueryRow(t.Context(),
		"SELECT count(*) FROM item_neighbours WHERE build_id = 1").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows of the pruned build are left, %v", left, err)
	}
}
