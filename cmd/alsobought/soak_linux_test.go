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

// Variables for the number of rounds of TestSoak and the seed to repeat. make soak sets them.
const (
	soakRounds = "ALSOBOUGHT_SOAK_ROUNDS"
	soakSeed   = "ALSOBOUGHT_SOAK_SEED"
	fewRounds  = 9 // one per fault
)

// TestSoak acts like a shop while things break. In every round a command runs (a load, a revert, a deletion, a build),
// and a fault is injected at a random moment: see blows. Afterwards doctor must find nothing, and orders, lines, times
// and quantities must match what the commands reported: after exit status 0 everything took effect, after any other all
// or nothing. The next build is compared with the oracle and sometimes with a full build, bit for bit. PostgreSQL is
// durable, and the test controls its clock.
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

// soakRange returns the number of rounds, few unless make soak sets it, and the seed.
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

// soak is a durable PostgreSQL, an API server, and the reported results of all commands.
type soak struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	clock   string // file with the offset of PostgreSQL's clock
	server  *localpg.Server
	api     *api
	ledger  *ledger
	lasts   map[string]time.Duration // duration of a command, by name
	deleted int64                    // rows of order_deletions
	ended   map[string]int           // number of commands, by fault and exit status
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{
		t: t, rnd: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(openTempDir(t), "server"),
		ledger: &ledger{}, lasts: map[string]time.Duration{}, ended: map[string]int{},
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
	first := s.ledger.random(s.rnd, 300)
	want(t, s.url(), strings.NewReader(first.text), "load", "-")
	first.id = 1
	s.ledger.enter(first)
	s.api = startAPI(t, s.url())
	t.Cleanup(func() { s.api.kill() })
	return s
}

func (s *soak) url() string { return s.server.URL() }

// round runs one command with one fault.
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
		_ = beside.Wait() // the fault may have hit it too
	}
	if b.after != nil {
		b.after(s)
	}
	status := c.ProcessState.ExitCode()
	if status == exitDone {
		s.lasts[act.name] = max(s.lasts[act.name], time.Since(began))
	}
	s.ended[fmt.Sprintf("%s: %s", b.name, map[bool]string{true: "done", false: "not done"}[status == exitDone])]++
	s.t.Logf("round %d: %s, %s, exit status %d: %s", n, act.name, b.name, status,
		strings.TrimSpace(c.Stderr.(*strings.Builder).String()))
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

// run runs a command until it succeeds. It retries, because PostgreSQL may be stopping or starting.
func (s *soak) run(args ...string) (stdout string) {
	s.t.Helper()
	dbtest.Eventually(s.t, "alsobought "+strings.Join(args, " ")+" is done", func(context.Context) bool {
		e := alsobought(s.t, s.url(), nil, args...)
		down := strings.Contains(e.stderr, "lost the connection to the database") ||
			strings.Contains(e.stderr, "check that it is running")
		if e.status != exitDone && !down {
			s.t.Fatalf("alsobought %s: exit status %d\n%s%s", strings.Join(args, " "), e.status, e.stdout, e.stderr)
		}
		stdout = e.stdout
		return e.status == exitDone
	})
	return stdout
}

// beside starts, in some rounds, a concurrent build.
func (s *soak) beside(a act) *exec.Cmd {
	if a.url != "" || s.rnd.IntN(4) > 0 {
		return nil
	}
	return s.start(act{args: []string{"build"}})
}

// moment waits for a random moment: during the command's run or its work in the database, and sometimes just after its
// end.
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

// recover runs the next command after a fault, which marks interrupted loads and builds as failed.
func (s *soak) recover() {
	s.eventually("PostgreSQL answers", func(context.Context, *pgx.Conn) (bool, error) { return true, nil })
	if s.rnd.IntN(2) == 0 { // perhaps while statements of the killed program are still running
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

// compareOrders compares every line, and the values of its order, with the ledger.
func (s *soak) compareOrders() {
	got := s.texts(`SELECT concat_ws(' | ', o.external_id, to_char(o.ordered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
		i.name, l.quantity)
		FROM orders AS o
		LEFT JOIN order_lines AS l ON l.order_id = o.order_id
		LEFT JOIN items AS i ON i.item_id = l.item_id`)
	slices.Sort(got)
	if diff := cmp.Diff(s.ledger.lines(), got); diff != "" {
		s.t.Errorf("lines (-acknowledged +there):\n%s", diff)
	}
}

// compareBuild compares the active build with the oracle.
func (s *soak) compareBuild() {
	s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		active, err := db.New(conn).BuildActive(ctx)
		if err == nil {
			orders, times := s.ledger.orders()
			buildtest.WantCounts(s.t, conn, active, oracle.CountTimed(orders, times, oracle.Settings(builds.SettingsOf(active))))
		}
		return err
	})
}

// compareWithFull compares the active build, which is based on a chain of earlier ones, with a full build.
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

// compareAnswers expects the API to answer like the command line, whatever happened to it or its database.
func (s *soak) compareAnswers() {
	printed := s.run("popular", "--json")
	answered := ""
	s.eventually("the API answers as the command line", func(ctx context.Context, _ *pgx.Conn) (bool, error) {
		var err error
		answered, err = s.api.popular(ctx)
		return answered == printed, err
	})
}
