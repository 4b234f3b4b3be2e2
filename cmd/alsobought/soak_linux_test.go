package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/oracle"
)

// How many rounds TestSoak makes, and the seed of one to be made again. make soak sets them.
const (
	soakRounds = "ALSOBOUGHT_SOAK_ROUNDS"
	soakSeed   = "ALSOBOUGHT_SOAK_SEED"
	fewRounds  = 9 // one of every blow
)

// TestSoak works like a shop and has things break. In every round a command runs (a load, a revert, a deletion, a build), and at a moment that
// nobody chose a blow falls: see blows. Then doctor has to find nothing, and orders, lines, times and quantities have to be what commands said
// they did: exit status 0 means all of it, anything else all or nothing. The next build is compared with the oracle, and now and then with a
// full build, to the last bit. PostgreSQL is durable, and its clock is the drill's.
func TestSoak(t *testing.T) {
	t.Parallel()
	rounds, seed := soakRange(t, fewRounds)
	s := newSoak(t, seed)
	all := blows()
	for n := range rounds {
		if n%len(all) == 0 {
			s.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		s.round(n+1, all[n%len(all)])
		if t.Failed() {
			t.Fatalf("round %d of seed %d", n+1, seed)
		}
	}
	s.compareWithFull()
	t.Logf("%d rounds: %s", rounds, s.story())
}

// soakRange returns how many rounds to make, few unless make soak says otherwise, and the seed.
func soakRange(t *testing.T, few int) (rounds int, seed uint64) {
	t.Helper()
	rounds, seed = few, uint64(time.Now().UnixNano())
	for name, set := range map[string]func(uint64){
		soakRounds: func(n uint64) { rounds = int(n) },
		soakSeed:   func(n uint64) { seed = n },
	} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			set(n)
		}
	}
	t.Logf("again with make soak ROUNDS=%d SEED=%d", rounds, seed)
	return rounds, seed
}

// soak is a durable PostgreSQL, a server of the API, and what the commands have said they did.
type soak struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	clock   string // the file that says how wrong the clock of PostgreSQL is
	server  *localpg.Server
	api     *api
	books   *books
	lasts   map[string]time.Duration // how long a command takes, by its name
	deleted int64                    // rows of order_deletions
	ended   map[string]int           // how commands ended, by blow and end
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{
		t: t, rnd: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(openTempDir(t), "server"),
		books: &books{}, lasts: map[string]time.Duration{}, ended: map[string]int{},
	}
	var programs string
	programs, s.clock = programsWithClock(t)
	var err error
	s.server, err = localpg.Start(t.Context(), localpg.Config{Dir: s.dir, BinDir: programs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("PostgreSQL's log:\n%s", s.serverLog())
		}
	})
	want(t, s.url(), nil, "migrate", "up")
	first := s.books.random(s.rnd, 300)
	want(t, s.url(), strings.NewReader(first.text), "load", "-")
	first.id = 1
	s.books.enter(first)
	s.api = startAPI(t, s.url())
	t.Cleanup(func() { s.api.kill() })
	return s
}

func (s *soak) url() string { return s.server.URL() }

// round is one command and one blow.
func (s *soak) round(n int, b blow) {
	choose := b.act
	if choose == nil {
		choose = (*soak).act
	}
	act := choose(s)
	if b.before != nil {
		b.before(s)
	}
	c, began := s.start(act), time.Now()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	beside := s.beside(act)

	if b.strike != nil {
		s.moment(act, c, done)
		b.strike(s, c)
	}
	err := <-done
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if beside != nil {
		_ = beside.Wait() // it may have been hit, too
	}
	if b.after != nil {
		b.after(s)
	}
	status := c.ProcessState.ExitCode()
	if status == exitDone {
		s.lasts[act.name] = max(s.lasts[act.name], time.Since(began))
	}
	s.ended[fmt.Sprintf("%s: %s", b.name, map[bool]string{true: "done", false: "not done"}[status == exitDone])]++
	s.t.Logf("round %d: %s, %s, exit status %d: %s", n, act.name, b.name, status, strings.TrimSpace(c.Stderr.(*strings.Builder).String()))
	if act.wrong(status) {
		s.t.Errorf("%s: exit status %d\n%s", act.name, status, c.Stderr)
	}
	s.recover()
	act.settle(s, status == exitDone)
	s.compareOrders()
	if status == exitDone && act.builds && beside == nil {
		s.compareBuild()
	}
	s.run("build")
	s.compareBuild()
	if n%10 == 0 {
		s.compareWithFull()
	}
	s.compareAnswers()
}

// start starts the command of an act.
func (s *soak) start(a act) *exec.Cmd {
	s.t.Helper()
	c := command(s.t, s.url(), a.args...)
	if a.url != "" {
		c = command(s.t, a.url, a.args...)
	}
	c.Stdin, c.Stderr = strings.NewReader(a.stdin), new(strings.Builder)
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// run runs a command to a good end. PostgreSQL may be on its way down or up, which takes another try.
func (s *soak) run(args ...string) (stdout string) {
	s.t.Helper()
	dbtest.Eventually(s.t, "alsobought "+strings.Join(args, " ")+" is done", func(context.Context) bool {
		e := alsobought(s.t, s.url(), nil, args...)
		down := strings.Contains(e.stderr, "the database went away") || strings.Contains(e.stderr, "see that it runs")
		if e.status != exitDone && !down {
			s.t.Fatalf("alsobought %s: exit status %d\n%s%s", strings.Join(args, " "), e.status, e.stdout, e.stderr)
		}
		stdout = e.stdout
		return e.status == exitDone
	})
	return stdout
}

// beside is, in some rounds, a build that runs beside the command.
func (s *soak) beside(a act) *exec.Cmd {
	if a.url != "" || s.rnd.IntN(4) > 0 {
		return nil
	}
	return s.start(act{args: []string{"build"}})
}

// moment waits until the blow falls: any moment of the command's life, or one of its work in the database; and then and again the moment
// after its end.
func (s *soak) moment(a act, c *exec.Cmd, done chan error) {
	most := s.lasts[a.name]
	if most == 0 {
		most = time.Second
	}
	if s.rnd.IntN(2) == 0 && a.url == "" {
		s.eventually("the command works or ends", func(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
			if len(done) > 0 {
				return true, nil
			}
			err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM loads AS l WHERE l.status = 'running')
				OR EXISTS (SELECT FROM builds AS b WHERE b.status = 'running')`).Scan(&yes)
			return yes, err
		})
		most /= 2
	}
	timer := time.NewTimer(time.Duration(s.rnd.Int64N(int64(most) * 5 / 4)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-done:
		done <- err
	}
}

// recover is the next command after a blow. It finds the books of the dead open and closes them, by itself.
func (s *soak) recover() {
	s.eventually("PostgreSQL answers", func(context.Context, *pgx.Conn) (bool, error) { return true, nil })
	if s.rnd.IntN(2) == 0 { // maybe beside statements whose program is gone
		s.run("doctor")
	}
	s.eventually("the sessions of the dead are gone", func(ctx context.Context, conn *pgx.Conn) (gone bool, err error) {
		err = conn.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = ANY ($1))`, ourLocks).Scan(&gone)
		return gone, err
	})
	s.run("doctor")
	if left := s.texts(`SELECT 'load ' || l.load_id FROM loads AS l WHERE l.status = 'running'
		UNION ALL SELECT 'build ' || b.build_id FROM builds AS b WHERE b.status = 'running'
		UNION ALL SELECT 'table ' || c.relname FROM pg_class AS c WHERE c.relname LIKE 'new\_%'`); len(left) > 0 {
		s.t.Errorf("left behind: %q", left)
	}
}

// compareOrders compares every line, and what its order says, with the books.
func (s *soak) compareOrders() {
	got := s.texts(`SELECT concat_ws(' | ', o.external_id, to_char(o.ordered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), i.name, l.quantity)
		FROM orders AS o
		LEFT JOIN order_lines AS l ON l.order_id = o.order_id
		LEFT JOIN items AS i ON i.item_id = l.item_id`)
	slices.Sort(got)
	if diff := cmp.Diff(s.books.lines(), got); diff != "" {
		s.t.Errorf("lines (-acknowledged +there):\n%s", diff)
	}
}

// compareBuild compares the active build with the oracle.
func (s *soak) compareBuild() {
	s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		active, err := db.New(conn).BuildActive(ctx)
		if err == nil {
			orders, times := s.books.orders()
			buildtest.WantCounts(s.t, conn, active, oracle.CountTimed(orders, times, oracle.Settings(builds.SettingsOf(active))))
		}
		return err
	})
}

// compareWithFull compares the active build, which starts from a chain of earlier ones, with a full one.
func (s *soak) compareWithFull() {
	rows := func() (rows []string) {
		s.connected(func(ctx context.Context, conn *pgx.Conn) error {
			active, err := db.New(conn).BuildActive(ctx)
			if err == nil {
				rows = buildtest.Rows(s.t, conn, active.BuildID)
			}
			return err
		})
		return rows
	}
	delta := rows()
	s.run("build", "--full")
	if diff := cmp.Diff(rows(), delta); diff != "" {
		s.t.Errorf("(-full +delta):\n%s", diff)
	}
	s.compareBuild()
	s.run("doctor")
}

// compareAnswers wants the API, whatever fell on it or its database, to answer as the command line does.
func (s *soak) compareAnswers() {
	printed := s.run("popular", "--json")
	answered := ""
	s.eventually("the API answers as the command line", func(ctx context.Context, _ *pgx.Conn) (bool, error) {
		var err error
		answered, err = s.api.popular(ctx)
		return answered == printed, err
	})
}
