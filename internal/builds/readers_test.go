package builds_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// answer is an answer and the build that it came from.
type answer struct {
	build int64
	rows  []oracle.Row
}

// reader asks one question repeatedly.
type reader struct {
	question oracle.Question
	ask      func(context.Context) (answer, error)
}

// readersOf returns questions of every kind about an item, seedItem through pool.
func readersOf(pool *pgxpool.Pool, item string) map[string]reader {
	r := recommend.New(pool)
	answerOf := func(a recommend.Answer, err error) (answer, error) {
		got := answer{build: a.Metadata.BuildID}
		for _, one := range a.Recommendations {
			got.rows = append(got.rows, oracle.Row{
				Item: one.ItemName, Source: one.Source, Score: one.SimilarityScore, PopularityRank: one.PopularityRank,
				OrdersTogether: one.OrdersTogether, Confidence: one.Confidence, Lift: one.Lift,
			})
		}
		return got, err
	}
	similar := oracle.Question{Seeds: []string{item}, Boosted: true, Measure: "affinity", Limit: 5}
	return map[string]reader{
		"similar": {similar, func(ctx context.Context) (answer, error) {
			return answerOf(r.Ask(ctx, recommend.Similar(item, recommend.Options{})))
		}},
		"similar by count": {
			oracle.Question{Seeds: []string{item}, Measure: "count", Limit: 9},
			func(ctx context.Context) (answer, error) {
				return answerOf(r.Ask(ctx, recommend.Similar(item, recommend.Options{Limit: 9, Measure: recommend.Count})))
			},
		},
		"popular": {
			oracle.Question{Measure: "affinity", Limit: 20},
			func(ctx context.Context) (answer, error) {
				return answerOf(r.Ask(ctx, recommend.Popular(recommend.Options{})))
			},
		},
		"reporting": {similar, func(ctx context.Context) (answer, error) {
			rows, err := pool.Query(ctx, `SELECT item_name, source, similarity_score, popularity_rank, orders_together,
				confidence, lift, build_id
				FROM reporting.similar_items($1)`, item)
			if err != nil {
				return answer{}, err
			}
			got := answer{}
			var row oracle.Row
			_, err = pgx.ForEachRow(rows, []any{
				&row.Item, &row.Source, &row.Score, &row.PopularityRank, &row.OrdersTogether,
				&row.Confidence, &row.Lift, &got.build,
			}, func() error { got.rows = append(got.rows, row); return nil })
			return got, err
		}},
	}
}

// impatient returns a pool whose queries fail if they have to wait for a lock.
func impatient(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["lock_timeout"] = "1s"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

const seedItem = "item 1"

// wantAnswers asks everything once and compares the answers with the oracle.
func wantAnswers(t *testing.T, pool *pgxpool.Pool, id int64, want *oracle.Counts) {
	t.Helper()
	for name, reader := range readersOf(pool, seedItem) {
		got, err := reader.ask(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.build != id {
			t.Errorf("%s: answered by build %d, want %d", name, got.build, id)
		}
		if err := want.Check(reader.question, got.rows); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadersDoNotWaitForABuild blocks a build while it holds all its locks, and reads.
func TestReadersDoNotWaitForABuild(t *testing.T) {
	t.Parallel()
	for phase, lock := range barriers {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			pool := open(t, url)
			orders := oracle.Random(random(9), oracle.Shapes()[1])
			loadText(t, pool, orders.CSV(random(9)))
			mustBuild(t, pool, defaults())
			counts := oracle.Count(orders, oracle.Settings(builds.DefaultSettings()))

			release := holdUp(t, pool, lock)
			done := begin(t.Context(), pool)
			waiting(t, pool, "relation")
			wantAnswers(t, impatient(t, url), 1, counts)
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
			wantAnswers(t, impatient(t, url), 2, counts)
		})
	}
}

// TestReadersDoNotWaitForAPrune: a prune waits for a report that still reads the old build; new readers wait
// for neither. The prune is then cancelled midway, and the next build cleans up.
func TestReadersDoNotWaitForAPrune(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	pool := open(t, url)
	orders := oracle.Random(random(10), oracle.Shapes()[1])
	loadText(t, pool, orders.CSV(random(10)))
	mustBuild(t, pool, defaults())
	mustBuild(t, pool, defaults())
	counts := oracle.Count(orders, oracle.Settings(builds.DefaultSettings()))

	stopReport := holdUp(t, pool, "SELECT count(*) FROM item_neighbours WHERE build_id = 1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := builds.Prune(ctx, pool, 0)
		done <- err
	}()
	for marked := false; !marked; {
		first, err := db.New(pool).BuildGet(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		marked = first.Status == "pruned"
	}
	wantAnswers(t, impatient(t, url), 2, counts)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the prune ended with: %v", err)
	}
	wantAnswers(t, impatient(t, url), 2, counts)
	stopReport()
	wantStates(t, pool, map[int64]string{1: "pruned", 2: "active"})
	mustBuild(t, pool, defaults())
	wantHealthy(t, pool)
	wantAnswers(t, impatient(t, url), 3, counts)
}

// observed collects the distinct answers that readers got.
type observed struct {
	mu    sync.Mutex
	first map[string]answer // by reader and build
	count map[string]int    // by reader
}

func (s *observed) add(name string, got answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[name]++
	key := fmt.Sprint(name, " from build ", got.build)
	first, seen := s.first[key]
	if !seen {
		s.first[key] = got
		return nil
	}
	if a, b := fmt.Sprint(first), fmt.Sprint(got); a != b {
		return fmt.Errorf("%s: first %s, then %s", key, a, b)
	}
	return nil
}

// fewest returns how many answers the slowest reader got.
func (s *observed) fewest(readers int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.count) < readers {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(s.count)))
}

// TestReadersSeeOneBuild reads continuously while builds are made, switched, rolled back and pruned. Every
// answer must be that of its build.
func TestReadersSeeOneBuild(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	pool := open(t, url)
	rnd := random(11)
	orders := oracle.Orders{}
	counts := map[int64]*oracle.Counts{}
	grow := func(batch int) {
		more := oracle.Orders{}
		for order, items := range oracle.Random(rnd, oracle.Shapes()[1]) {
			for item := range items {
				more.Add(fmt.Sprint(batch, order), item)
				orders.Add(fmt.Sprint(batch, order), item)
			}
		}
		loadText(t, pool, more.CSV(rnd))
		opts := defaults()
		opts.Keep = int32(1 + batch%2)
		built := mustBuild(t, pool, opts)
		counts[built.BuildID] = oracle.Count(orders, oracle.Settings(opts.Settings))
	}
	grow(0)

	seen := &observed{first: map[string]answer{}, count: map[string]int{}}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	all := readersOf(impatient(t, url), seedItem)
	for name, reader := range all {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := reader.ask(t.Context())
				if err == nil {
					err = seen.add(name, got)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	// Every reader reads every version before the next one is made.
	observe := func() {
		t.Helper()
		enough := seen.fewest(len(all)) + 10
		waitFor(t, "every reader has read", func(context.Context) (bool, error) {
			return seen.fewest(len(all)) >= enough || t.Failed(), nil
		})
	}
	change := func(name string, do func(context.Context, *pgxpool.Pool) (db.Build, error)) {
		if _, err := do(t.Context(), pool); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		observe()
	}
	for batch := range 7 {
		observe()
		grow(batch + 1)
		observe()
		if batch%2 == 1 {
			change("rollback", builds.Rollback)
			change("activate", func(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
				return builds.Activate(ctx, pool, int64(len(counts)))
			})
			if _, err := builds.Prune(t.Context(), pool, 1); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	readers.Wait()

	builds := map[int64]bool{}
	for key, got := range seen.first {
		builds[got.build] = true
		for name, reader := range readersOf(pool, seedItem) {
			if key != fmt.Sprint(name, " from build ", got.build) {
				continue
			}
			if counts[got.build] == nil {
				t.Errorf("%s: there is no such build", key)
			} else if err := counts[got.build].Check(reader.question, got.rows); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	if len(builds) != len(counts) {
		t.Errorf("readers saw %d builds, want all %d", len(builds), len(counts))
	}
	wantHealthy(t, pool)
}
