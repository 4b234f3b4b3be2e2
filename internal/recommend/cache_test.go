package recommend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/recommend"
)

// counting counts the statements that answer questions.
type counting struct {
	db.DBTX

	mu      sync.Mutex
	answers int
}

// Query counts: questions use Query, the version QueryRow.
func (c *counting) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.mu.Lock()
	c.answers++
	c.mu.Unlock()
	return c.DBTX.Query(ctx, sql, args...)
}

func (c *counting) statements() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers
}

const plenty = 1 << 20

func served(t *testing.T, c *recommend.Cache, q recommend.Question) (recommend.Served, recommend.Answer) {
	t.Helper()
	s, err := c.Ask(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	var a recommend.Answer
	if err := json.Unmarshal(s.JSON, &a); err != nil {
		t.Fatal(err)
	}
	return s, a
}

// On two servers, every commit shows in the next answer of each, and only what changed is asked again.
func TestCacheFollowsEveryChange(t *testing.T) {
	t.Parallel()
	s := bread(t)
	counts := []*counting{{DBTX: s.pool}, {DBTX: s.pool}}
	servers := []*recommend.Cache{recommend.NewCache(counts[0], plenty), recommend.NewCache(counts[1], plenty)}
	questions := map[string]recommend.Question{
		"popular": recommend.Popular(recommend.Options{}),
		"similar": recommend.Similar("bread", recommend.Options{}),
		"basket":  recommend.Basket([]string{"bread", "jam"}, recommend.Options{Measure: recommend.Lift}),
	}
	tags := map[string]string{}
	check := func(change string) {
		t.Helper()
		for name, q := range questions {
			want, err := s.Ask(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i, server := range servers {
				first, got := served(t, server, q)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, after %s, server %d: %+v, want %+v", name, change, i, got, want)
				}
				before := counts[i].statements()
				again, _ := served(t, server, q)
				if counts[i].statements() != before || again.ETag != first.ETag || string(again.JSON) != string(first.JSON) {
					t.Errorf("%s, after %s, server %d asked twice", name, change, i)
				}
				if i == 0 && tags[name] == first.ETag {
					t.Errorf("%s, after %s: the ETag is the same", name, change)
				}
				if tags[name] = first.ETag; i == 1 && again.ETag != tags[name] {
					t.Errorf("%s: two servers, two ETags", name)
				}
			}
		}
	}
	check("the start")
	s.rule(t, "hide", "", "butter")
	check("a rule")
	s.repeal(t)
	check("its end")
	s.exec(t,
		`INSERT INTO item_attributes (item_id, label, source, changed_by) SELECT i.item_id, 'Jam!', 'f', 'me' FROM items AS i
			WHERE i.name = 'jam'`)
	check("an attribute")
	s.exec(t, `UPDATE item_attributes SET active = false`)
	check("an inactive item")
	mustBuild(t, s.pool, builds.DefaultSettings())
	check("a build")
	s.exec(t, `TRUNCATE item_attributes`)
	check("no catalogue")
}

// Rules take effect and expire on time without a write. An answer in flight at that moment may be either. On a machine
// too slow for an answer in each phase, the phases get longer.
func TestCacheFollowsTime(t *testing.T) {
	t.Parallel()
	s := bread(t)
	server := recommend.NewCache(s.pool, plenty)
	const late = 10 * time.Millisecond // well over the 2 ms for which a server trusts a version
	clock := func() (now time.Time) {
		t.Helper()
		if err := s.pool.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	for phase := 200 * time.Millisecond; ; phase *= 2 {
		from := clock().Add(phase)
		until := from.Add(phase)
		s.exec(t, `INSERT INTO rules (kind, items, reason, author, valid_from, valid_until)
			VALUES ('hide', '{butter}', 'why', 'me', $1, $2)`, from, until)
		var before, during, after bool // whether each phase had an answer
		for !after {
			began := clock()
			_, answer := served(t, server, recommend.Similar("bread", recommend.Options{}))
			ended := clock()
			shown := slices.Contains(items(answer), "butter")
			switch {
			case ended.Before(from):
				before = true
			case !began.Before(from.Add(late)) && ended.Before(until):
				during, shown = true, !shown
			case !began.Before(until.Add(late)):
				after = true
			default:
				continue
			}
			if !shown {
				t.Fatalf("wrong answer between %s and %s: butter is hidden from %s to %s", began, ended, from, until)
			}
		}
		if before && during {
			return
		}
	}
}

// On two servers, while rules and the active build change, no question asked after a commit gets an older answer.
func TestCacheUnderLoad(t *testing.T) {
	t.Parallel()
	s := bread(t)
	servers := []*recommend.Cache{recommend.NewCache(s.pool, plenty), recommend.NewCache(s.pool, plenty)}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := servers[i%2].Ask(ctx, recommend.Similar("bread", recommend.Options{}), nil); err != nil &&
					ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	want := int64(1)
	for i := range 60 {
		if i%2 == 0 {
			s.exec(t, `INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{butter}', 'why', 'me')`)
		} else {
			s.exec(t, "UPDATE rules SET valid_until = greatest(now(), valid_from) WHERE valid_until IS NULL")
		}
		if i%20 == 19 {
			want = mustBuild(t, s.pool, builds.DefaultSettings()).BuildID
		}
		for _, server := range servers {
			_, answer := served(t, server, recommend.Similar("bread", recommend.Options{}))
			if slices.Contains(items(answer), "butter") == (i%2 == 0) {
				t.Fatalf("change %d is not in the answer: %v", i, items(answer))
			}
			if answer.Metadata.BuildID != want {
				t.Fatalf("after change %d build %d answers, want %d", i, answer.Metadata.BuildID, want)
			}
		}
	}
	stop()
	readers.Wait()
}

// A version is settled unless a change is pending or the snapshot is too old to tell.
func TestVersionIsSettled(t *testing.T) {
	t.Parallel()
	s := bread(t)
	settled := func(q interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	},
	) (settled bool) {
		t.Helper()
		if err := q.QueryRow(t.Context(), "SELECT settled FROM read_version()").Scan(&settled); err != nil {
			t.Fatal(err)
		}
		return settled
	}
	begin := func(options pgx.TxOptions) pgx.Tx {
		t.Helper()
		tx, err := s.pool.BeginTx(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
		return tx
	}
	exec := func(tx pgx.Tx, sql string) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []string{
		"INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{butter}', 'why', 'me')",
		"UPDATE rules SET valid_until = now() WHERE false",
		"DELETE FROM item_attributes",
		"UPDATE builds SET active = true WHERE active",
	} {
		if !settled(s.pool) {
			t.Errorf("before %s: not settled", change)
		}
		tx := begin(pgx.TxOptions{})
		exec(tx, "SAVEPOINT s")
		exec(tx, change)
		if settled(s.pool) {
			t.Errorf("during %s: settled", change)
		}
		exec(tx, "ROLLBACK TO s")
		var notice string
		if err := tx.QueryRow(t.Context(),
			"SELECT coalesce(current_setting('alsobought.notice', true), '')").Scan(&notice); err != nil || notice != "" {
			t.Errorf("after %s was rolled back: notice %q is still given, %v", change, notice, err)
		}
		if !settled(s.pool) {
			t.Errorf("after %s was rolled back: not settled", change)
		}
		exec(tx, change)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if settled(begin(pgx.TxOptions{IsoLevel: pgx.RepeatableRead})) {
		t.Error("settled in an old snapshot")
	}
}

// A matching ETag saves the statement that ranks.
func TestCacheETag(t *testing.T) {
	t.Parallel()
	s := bread(t)
	for name, size := range map[string]int64{"cached": plenty, "not cached": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &counting{DBTX: s.pool}
			server := recommend.NewCache(c, size)
			q := recommend.Similar("bread", recommend.Options{})
			first, _ := served(t, server, q)
			before := c.statements()
			again, err := server.Ask(t.Context(), q, func(etag string) bool { return etag == first.ETag })
			if err != nil || !again.NotModified() || again.ETag != first.ETag || c.statements() != before {
				t.Errorf("%+v, %v after %d statements", again, err, c.statements()-before)
			}
			other, err := server.Ask(t.Context(), recommend.Similar("jam", recommend.Options{}),
				func(etag string) bool { return etag == first.ETag })
			if err != nil || other.NotModified() {
				t.Errorf("another question has the ETag: %v", err)
			}
		})
	}
}

// Answers about orders and older builds, and errors, are not cached.
func TestCacheKeepsNothingElse(t *testing.T) {
	t.Parallel()
	s := bread(t)
	c := &counting{DBTX: s.pool}
	server := recommend.NewCache(c, plenty)
	for name, q := range map[string]recommend.Question{
		"order":   recommend.Order("1", recommend.Options{}),
		"build":   recommend.Similar("bread", recommend.Options{BuildID: 1}),
		"unknown": recommend.Similar("nobody ever bought it", recommend.Options{}),
	} {
		before := c.statements()
		for range 2 {
			if got, err := server.Ask(t.Context(), q, nil); got.ETag != "" || (err != nil) != (name == "unknown") {
				t.Errorf("%s: %q, %v", name, got.ETag, err)
			}
		}
		if c.statements() < before+2 {
			t.Errorf("%s: asked %d times, want 2 or more", name, c.statements()-before)
		}
	}
}

// An answer larger than the whole cache is still returned.
func TestCacheAnswersBeyondItsBound(t *testing.T) {
	t.Parallel()
	s := bread(t)
	c := &counting{DBTX: s.pool}
	server := recommend.NewCache(c, 1)
	for range 3 {
		if _, answer := served(t, server, recommend.Similar("bread", recommend.Options{})); len(answer.Recommendations) == 0 {
			t.Error("no answer")
		}
	}
}

// After a failover that lost the last changes, revisions start from an earlier number. A server must not take answers
// cached under a lost revision for those of a later change.
func TestRevisionIsNeverGivenTwice(t *testing.T) {
	t.Parallel()
	s := bread(t)
	cache := recommend.NewCache(s.pool, plenty)
	q := recommend.Similar("bread", recommend.Options{})
	label := func(label string) {
		t.Helper()
		s.exec(t, `INSERT INTO item_attributes (item_id, label, source, changed_by)
			SELECT i.item_id, $1, 'f', 'me' FROM items AS i WHERE i.name = 'butter'`, label)
	}
	s.exec(t, "CREATE TABLE before_the_change AS TABLE revisions")
	label("lost")
	lost, _ := served(t, cache, q)
	s.exec(t, "ALTER TABLE item_attributes DISABLE TRIGGER USER")
	s.exec(t, "DELETE FROM item_attributes")
	s.exec(t, "ALTER TABLE item_attributes ENABLE TRIGGER USER")
	s.exec(t, `UPDATE revisions AS r SET changes = b.changes FROM before_the_change AS b WHERE b.subject = r.subject`)
	label("next")
	next, answer := served(t, cache, q)
	if got := answer.Recommendations[0].Label; got != "next" || next.ETag == lost.ETag {
		t.Errorf("after a lost change and another: label %q", got)
	}
}
