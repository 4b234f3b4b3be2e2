package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/oracle"
)

// timeFormat is the format of times in the files of the soak test.
const timeFormat = "2006-01-02 15:04:05Z07:00"

// ledger holds the acknowledged loads by id, with their contents. It determines everything that the database must
// contain.
type ledger struct {
	loads []*brought
	last  int64 // the highest load id seen
	named int   // counter for new order ids
}

// brought is the content of one load.
type brought struct {
	id       int64
	text     string
	lines    map[string]map[string]int64 // quantity by order and item
	times    map[string]time.Time        // by order; orders without a time are missing
	reverted bool
}

// random returns a load of n orders: most of them new, the others known, with different items, quantities and times.
func (b *ledger) random(rnd *rand.Rand, n int) *brought {
	orders, _ := b.orders()
	known, seen := slices.Sorted(maps.Keys(orders)), map[string]bool{}
	var text strings.Builder
	text.WriteString("order_id,item_name,quantity,ordered_at\n")
	for range n {
		b.named++
		id := fmt.Sprintf("order %d", b.named)
		if len(known) > 0 && rnd.IntN(4) == 0 {
			id = known[rnd.IntN(len(known))]
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		at := ""
		if rnd.IntN(5) > 0 {
			at = time.Date(2024, 1, 1, 0, rnd.IntN(2*365*24*60), 0, 0, time.UTC).Format(timeFormat)
		}
		for range 1 + rnd.IntN(7) {
			fmt.Fprintf(&text, "%s,item %d,%d,%s\n", id, rnd.IntN(1+rnd.IntN(150)), 1+rnd.IntN(3), at)
		}
	}
	return contentsOf(text.String())
}

func (b *ledger) enter(l *brought) {
	b.loads = append(b.loads, l)
	slices.SortFunc(b.loads, func(x, y *brought) int { return cmp.Compare(x.id, y.id) })
	b.last = max(b.last, l.id)
}

// inForce returns the loads that were not reverted.
func (b *ledger) inForce() []*brought {
	return slices.DeleteFunc(slices.Clone(b.loads), func(l *brought) bool { return l.reverted })
}

// orders returns the input of the oracle. The first load with a time for an order determines the order's time; likewise
// the quantity of a line.
func (b *ledger) orders() (orders oracle.Orders, times oracle.Times) {
	orders, times = oracle.Orders{}, oracle.Times{}
	for _, l := range b.inForce() {
		for id, items := range l.lines {
			if at, known := l.times[id]; known && orders[id] == nil {
				times[id] = at
			}
			for item := range items {
				orders.Add(id, item)
			}
		}
	}
	return orders, times
}

// lines returns what compareOrders compares.
func (b *ledger) lines() (lines []string) {
	_, times := b.orders()
	seen := map[[2]string]bool{}
	for _, l := range b.inForce() {
		for id, items := range l.lines {
			for item, quantity := range items {
				if seen[[2]string{id, item}] {
					continue
				}
				seen[[2]string{id, item}] = true
				line := []string{id}
				if at, known := times[id]; known {
					line = append(line, at.Format("2006-01-02 15:04"))
				}
				lines = append(lines, strings.Join(append(line, item, strconv.FormatInt(quantity, 10)), " | "))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// act is a command, and how to find out afterwards whether it took effect.
type act struct {
	name   string
	url    string // of another database; "" for the usual one
	args   []string
	stdin  string
	builds bool
	settle func(s *soak, done bool)
}

// wrong reports whether a command ended with a usage error, which no command of the test may do.
func (a act) wrong(status int) bool { return status == exitUsage }

// most is the number of orders above which the soak test removes some.
const most = 6000

// act returns a random command of a shop: mostly loads of new and known orders, sometimes of the same file again.
func (s *soak) act() act {
	orders, _ := s.ledger.orders()
	loads := s.ledger.inForce()
	switch n := s.rnd.IntN(12); {
	case len(orders) > most || n == 0 && len(loads) > 1:
		return s.revert(loads)
	case n == 1 && len(orders) > 10:
		return s.deletion(slices.Sorted(maps.Keys(orders)))
	case n == 2:
		return s.build()
	case n == 3 && len(loads) > 0:
		again := loads[s.rnd.IntN(len(loads))]
		return s.load("repeated load", contentsOf(again.text), "--again")
	case n == 4:
		return s.migrate()
	}
	return s.load("load", s.ledger.random(s.rnd, 1+s.rnd.IntN(1+s.rnd.IntN(1500))))
}

// orBuild adds --no-build to some commands.
func (s *soak) orBuild(a act) act {
	if a.builds = s.rnd.IntN(2) == 0; !a.builds {
		a.args = append(a.args, "--no-build")
	}
	return a
}

func (s *soak) load(name string, l *brought, flags ...string) act {
	return s.orBuild(act{
		name: name, args: append([]string{"load", "-"}, flags...), stdin: l.text,
		settle: func(s *soak, done bool) {
			loaded := s.texts(fmt.Sprintf("SELECT l.load_id || ' ' || l.status FROM loads AS l WHERE l.load_id "+
				"> %d ORDER BY l.load_id", s.ledger.last))
			if len(loaded) > 1 || done && len(loaded) != 1 {
				s.t.Errorf("the load is in the audit as %q", loaded)
			}
			for _, row := range loaded {
				id, status, _ := strings.Cut(row, " ")
				if done && status != "loaded" {
					s.t.Errorf("the load was acknowledged, but is %s", status)
				}
				number, err := strconv.ParseInt(id, 10, 64)
				if err != nil {
					s.t.Fatal(err)
				}
				s.ledger.last = number
				if status == "loaded" {
					l.id = number
					s.ledger.enter(l)
				}
			}
		},
	})
}

func (s *soak) revert(loads []*brought) act {
	l := loads[s.rnd.IntN(len(loads))]
	if orders, _ := s.ledger.orders(); len(orders) > most {
		l = slices.MaxFunc(loads, func(x, y *brought) int { return cmp.Compare(len(x.lines), len(y.lines)) })
	}
	id := strconv.FormatInt(l.id, 10)
	return s.orBuild(act{name: "revert", args: []string{"loads", "revert", id}, settle: func(s *soak, done bool) {
		l.reverted = s.texts("SELECT l.status FROM loads AS l WHERE l.load_id = " + id)[0] == "reverted"
		if done && !l.reverted {
			s.t.Errorf("the revert of load %s was acknowledged, but it was not reverted", id)
		}
	}})
}

func (s *soak) deletion(orders []string) act {
	var ids []string
	for range 1 + s.rnd.IntN(5) {
		ids = append(ids, orders[s.rnd.IntN(len(orders))])
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return s.orBuild(act{
		name: "deletion", args: append([]string{"orders", "delete"}, ids...),
		settle: func(s *soak, done bool) {
			now, err := strconv.ParseInt(s.texts("SELECT count(*)::text FROM order_deletions")[0], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			if now > s.deleted+1 || done && now == s.deleted {
				s.t.Errorf("there were %d deletions, now there are %d", s.deleted, now)
			}
			if now > s.deleted {
				for _, l := range s.ledger.loads {
					maps.DeleteFunc(l.lines, func(id string, _ map[string]int64) bool { return slices.Contains(ids, id) })
				}
			}
			s.deleted = now
		},
	})
}

func (s *soak) build() act {
	a := act{name: "build", args: []string{"build"}, builds: true, settle: func(*soak, bool) {}}
	if s.rnd.IntN(2) == 0 {
		a.name, a.args = "full build", append(a.args, "--full")
	}
	return a
}

// migrate migrates a new database. If it is interrupted, a later run must be able to continue.
func (s *soak) migrate() act {
	name := fmt.Sprintf("migrated_%d", s.rnd.Uint32())
	s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name)
		return err
	})
	u, err := url.Parse(s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	u.Path = "/" + name
	other := u.String()
	return act{name: "migrate", url: other, args: []string{"migrate", "up"}, settle: func(s *soak, _ bool) {
		want(s.t, other, nil, "migrate", "up")
		want(s.t, other, strings.NewReader("order_id,item_name\n1,a\n1,b\n"), "load", "-")
		want(s.t, other, nil, "doctor")
		s.connected(func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			return err
		})
	}}
}

// contentsOf returns the load of a file that was loaded before: all of it, including orders deleted since.
func contentsOf(text string) *brought {
	l := &brought{text: text, lines: map[string]map[string]int64{}, times: map[string]time.Time{}}
	for _, row := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
		fields := strings.Split(row, ",")
		id := fields[0]
		if l.lines[id] == nil {
			l.lines[id] = map[string]int64{}
		}
		quantity, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			panic(err) // text was written by this test
		}
		l.lines[id][fields[1]] += quantity
		if fields[3] != "" {
			at, err := time.Parse(timeFormat, fields[3])
			if err != nil {
				panic(err) // text was written by this test
			}
			l.times[id] = at
		}
	}
	return l
}
