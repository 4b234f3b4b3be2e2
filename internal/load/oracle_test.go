package load_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// ledger is the expected contents of the tables, in plain maps.
type ledger struct {
	Items   map[string]bool
	Orders  map[string]order
	Lines   map[[2]string]line // lines that count as bought
	Rejects []reject
	Loads   map[int64]counts
	Files   []db.LoadFile

	claims, returns map[[2]string]map[int64]*big.Rat // per load; a nil quantity of returns is all
	owners          map[[2]string]int64              // of lines without returns: the load that merged first
}

type order struct {
	OrderedAt time.Time // zero if not given
	Customer  string    // "" if not given
	Load      int64
}

type line struct {
	Quantity string // as a fraction in lowest terms
	Load     int64
}

type reject struct {
	Load, Row int64
	File      int32
	Number    int64
	Reason    string
	Raw       string
	Outcome   string
}

type counts struct {
	Read, Loaded, Duplicate, Repeated, NotBought, Rejected, Orders, Items int64
}

func newLedger() *ledger {
	return &ledger{
		Items: map[string]bool{}, Orders: map[string]order{}, Lines: map[[2]string]line{}, Loads: map[int64]counts{},
		claims: map[[2]string]map[int64]*big.Rat{}, returns: map[[2]string]map[int64]*big.Rat{},
		owners: map[[2]string]int64{},
	}
}

// load records the files in the ledger as one load, row by row.
func (b *ledger) load(id int64, files ...file) {
	before, staged, earlier := maps.Clone(b.Lines), map[[2]string]*big.Rat{}, maps.Clone(b.Orders)
	var back []row
	var c counts
	for i, f := range files {
		audit := db.LoadFile{LoadID: id, FileNumber: int32(i + 1), Name: f.name, RowsRead: int64(len(f.rows))}
		for _, r := range f.rows {
			c.Read++
			if r.back != "" {
				back = append(back, r)
			}
			if r.reason != "" {
				outcome := load.Rejected
				if r.back != "" {
					outcome = load.NotBought
					c.NotBought++
					audit.RowsNotBought++
				} else {
					c.Rejected++
					audit.RowsRejected++
				}
				raw := r.raw[:min(len(r.raw), datafile.MaxRaw)]
				b.Rejects = append(b.Rejects, reject{id, c.Read, int32(i + 1), r.number, string(r.reason), raw, outcome})
				continue
			}
			b.enter(r, id, earlier, &c)
			key := [2]string{r.order, r.item}
			if sum := staged[key]; sum != nil {
				c.Duplicate++
				c.Repeated++
				sum.Add(sum, rat(r.quantity))
				continue
			}
			staged[key] = rat(r.quantity)
		}
		sum := sha256.Sum256(f.data)
		audit.Bytes, audit.SHA256 = int64(len(f.data)), sum[:]
		b.Files = append(b.Files, audit)
	}
	isNew := map[[2]string]bool{}
	for key, quantity := range staged {
		if isNew[key] = len(b.claims[key]) == 0; isNew[key] {
			b.owners[key] = id
		}
		note(b.claims, key, id, quantity)
	}
	b.giveBack(id, back)
	b.settle()
	for key := range staged {
		_, was := before[key]
		_, is := b.Lines[key]
		if isNew[key] || is && !was {
			c.Loaded++
		} else {
			c.Duplicate++
		}
	}
	b.Loads[id] = c
}

// giveBack records what rows take back of existing lines.
func (b *ledger) giveBack(id int64, rows []row) {
	for _, r := range rows {
		for key := range b.claims {
			if key[0] != r.order || r.item != "" && key[1] != r.item {
				continue
			}
			sum, again := b.returns[key][id]
			switch {
			case r.back == "all" || again && sum == nil:
				note(b.returns, key, id, nil)
			case again:
				sum.Add(sum, rat(r.back))
			default:
				note(b.returns, key, id, rat(r.back))
			}
		}
	}
}

// settle computes what the loads make of every line, as docs/loading.md defines it.
func (b *ledger) settle() {
	clear(b.Lines)
	for key, claims := range b.claims {
		if len(b.returns[key]) == 0 {
			b.Lines[key] = line{claims[b.owners[key]].RatString(), b.owners[key]}
			continue
		}
		first, last := slices.Min(slices.Collect(maps.Keys(claims))), slices.Max(slices.Collect(maps.Keys(claims)))
		whole, speaker := int64(0), last
		for load, quantity := range b.returns[key] {
			speaker = max(speaker, load)
			if quantity == nil {
				whole = max(whole, load)
			}
		}
		left := new(big.Rat).Set(claims[first])
		if returned := b.returns[key][speaker]; returned != nil {
			left.Sub(left, returned)
		}
		if last > whole && left.Sign() > 0 {
			b.Lines[key] = line{left.RatString(), first}
		}
	}
}

func note(lines map[[2]string]map[int64]*big.Rat, key [2]string, load int64, quantity *big.Rat) {
	if lines[key] == nil {
		lines[key] = map[int64]*big.Rat{}
	}
	lines[key][load] = quantity
}

func rat(quantity string) *big.Rat {
	r, _ := new(big.Rat).SetString(strings.TrimPrefix(quantity, "+"))
	return r
}

// enter records the item and the order of one good row.
func (b *ledger) enter(r row, id int64, earlier map[string]order, c *counts) {
	if !b.Items[r.item] {
		b.Items[r.item] = true
		c.Items++
	}
	if _, old := earlier[r.order]; old {
		return
	}
	o, seen := b.Orders[r.order]
	if !seen {
		c.Orders++
	}
	o.Load = id
	if !r.at.IsZero() && (o.OrderedAt.IsZero() || r.at.Before(o.OrderedAt)) {
		o.OrderedAt = r.at
	}
	if r.customer != "" && (o.Customer == "" || r.customer < o.Customer) {
		o.Customer = r.customer
	}
	b.Orders[r.order] = o
}

// ledgerOf reads the ledger from the tables.
func ledgerOf(t *testing.T, pool *pgxpool.Pool) *ledger {
	t.Helper()
	b := newLedger()
	each(t, pool, "SELECT i.name FROM items AS i", func(name string) { b.Items[name] = true })
	type orderRow struct {
		ExternalID string
		OrderedAt  *time.Time
		CustomerID *string
		LoadID     int64
	}
	all(t, pool, "SELECT o.external_id, o.ordered_at, o.customer_id, o.load_id FROM orders AS o", func(r orderRow) {
		o := order{Load: r.LoadID}
		if r.OrderedAt != nil {
			o.OrderedAt = r.OrderedAt.UTC()
		}
		if r.CustomerID != nil {
			o.Customer = *r.CustomerID
		}
		b.Orders[r.ExternalID] = o
	})
	type lineRow struct {
		Order, Item, Quantity string
		LoadID                int64
	}
	all(t, pool, `SELECT o.external_id, i.name, l.quantity::text, l.load_id
		FROM order_lines AS l LEFT JOIN orders AS o USING (order_id) LEFT JOIN items AS i USING (item_id)`, func(r lineRow) {
		quantity, ok := new(big.Rat).SetString(r.Quantity)
		if !ok {
			t.Errorf("quantity %s", r.Quantity)
			return
		}
		b.Lines[[2]string{r.Order, r.Item}] = line{quantity.RatString(), r.LoadID}
	})
	all(t, pool, "TABLE load_rejects ORDER BY load_id, row_number", func(r db.LoadReject) {
		if r.Detail == "" || strings.ContainsFunc(r.Detail, unicode.IsControl) {
			t.Errorf("reject of row %d has the detail %q", r.RowNumber, r.Detail)
		}
		b.Rejects = append(b.Rejects, reject{
			r.LoadID, r.RowNumber, r.FileNumber, r.LineNumber, r.Reason, string(r.Raw), r.Outcome,
		})
	})
	all(t, pool, "TABLE loads", func(l db.Load) {
		if l.Status != "loaded" || l.FinishedAt == nil || l.LoadedBy != "tester" || l.Version != "test" {
			t.Errorf("load %d: %+v", l.LoadID, l)
		}
		b.Loads[l.LoadID] = countsOf(l)
	})
	all(t, pool, "TABLE load_files ORDER BY load_id, file_number", func(f db.LoadFile) {
		f.Mapping = nil
		b.Files = append(b.Files, f)
	})
	return b
}

func countsOf(l db.Load) counts {
	return counts{
		l.RowsRead, l.RowsLoaded, l.RowsDuplicate, l.RowsRepeated, l.RowsNotBought, l.RowsRejected,
		l.OrdersAdded, l.ItemsAdded,
	}
}

// all calls do with every row of a query, scanned into a struct.
func all[T any](t *testing.T, pool *pgxpool.Pool, query string, do func(T)) {
	t.Helper()
	rows, err := pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		do(r)
	}
}

// each calls do with every value of a one-column query.
func each(t *testing.T, pool *pgxpool.Pool, query string, do func(string)) {
	t.Helper()
	for _, value := range texts(t, pool, query) {
		do(value)
	}
}

func assertLedger(t *testing.T, pool *pgxpool.Pool, want *ledger) {
	t.Helper()
	slices.SortFunc(want.Rejects,
		func(a, b reject) int { return cmp.Or(cmp.Compare(a.Load, b.Load), cmp.Compare(a.Row, b.Row)) })
	slices.SortFunc(want.Files, func(a, b db.LoadFile) int {
		return cmp.Or(cmp.Compare(a.LoadID, b.LoadID), cmp.Compare(a.FileNumber, b.FileNumber))
	})
	if diff := gocmp.Diff(want, ledgerOf(t, pool), cmpopts.IgnoreUnexported(ledger{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	assertHealthy(t, pool)
}

func (f file) source() load.Source { return content(f.name, f.data) }

// Random files, one load after the other: new, overlapping, repeated, and several sources at once in every compression.
func TestRandomFiles(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			pool, rnd, want := dbtest.New(t), rand.New(rand.NewPCG(seed, 1)), newLedger()
			var files []file
			for i := range 5 {
				f := randomFile(rnd, fmt.Sprintf("file %d", i), 50+rnd.IntN(300))
				f.data = packed(rnd, f.data)
				files = append(files, f)
			}
			for _, together := range [][]file{
				{files[0]},
				{files[1]},
				{files[2], files[0], files[3], files[3]},
				{files[0]},
				files,
			} {
				var sources []load.Source
				for _, f := range together {
					sources = append(sources, f.source())
				}
				got := mustRun(t, pool, sources...)
				want.load(got.LoadID, together...)
				if diff := gocmp.Diff(want.Loads[got.LoadID], countsOf(got.Load)); diff != "" {
					t.Errorf("result of load %d (-want +got):\n%s", got.LoadID, diff)
				}
				assertLedger(t, pool, want)
			}
		})
	}
}

// Loading the same file twice adds nothing and counts every good row as a duplicate.
func TestAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	f := randomFile(rand.New(rand.NewPCG(99, 1)), "orders.csv", 2000)
	first := mustRun(t, pool, f.source())
	before := texts(t, pool, "SELECT x::text FROM order_lines AS x UNION ALL SELECT x::text FROM orders AS x UNION ALL "+
		"SELECT x::text FROM items AS x ORDER BY 1")
	second := mustRun(t, pool, f.source())
	want := counts{
		Read: first.RowsRead, Duplicate: first.RowsRead - first.RowsNotBought - first.RowsRejected,
		Repeated:  first.RowsRepeated,
		NotBought: first.RowsNotBought, Rejected: first.RowsRejected,
	}
	if diff := gocmp.Diff(want, countsOf(second.Load)); diff != "" {
		t.Errorf("second load (-want +got):\n%s", diff)
	}
	after := texts(t, pool, "SELECT x::text FROM order_lines AS x UNION ALL SELECT x::text FROM orders AS x UNION ALL "+
		"SELECT x::text FROM items AS x ORDER BY 1")
	if diff := gocmp.Diff(before, after); diff != "" {
		t.Errorf("the data changed (-before +after):\n%s", diff)
	}
}

// Concurrent loads merge one after the other; the result is that of loading them in the order in which they finish.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, loads := range []int{2, 4} {
		t.Run(fmt.Sprintf("%d loads", loads), func(t *testing.T) {
			t.Parallel()
			pool, rnd := dbtest.New(t), rand.New(rand.NewPCG(uint64(loads), 2))
			all := newGate(loads)
			byLoad := sync.Map{}
			var running sync.WaitGroup
			for i := range loads {
				f := randomFile(rnd, fmt.Sprintf("file %d", i), 3000)
				running.Go(func() {
					// No load reaches the end of its source before all have started.
					result, err := load.Run(t.Context(), pool, []load.Source{reading(f.name, all.atEnd(bytes.NewReader(f.data)))},
						options)
					if err != nil {
						t.Error(err)
						return
					}
					byLoad.Store(result.LoadID, f)
				})
			}
			running.Wait()
			if t.Failed() {
				return
			}
			want := newLedger()
			each(t, pool, "SELECT l.load_id::text FROM loads AS l ORDER BY l.finished_at", func(id string) {
				var loadID int64
				fmt.Sscan(id, &loadID)
				f, _ := byLoad.Load(loadID)
				want.load(loadID, f.(file))
			})
			assertLedger(t, pool, want)
		})
	}
}
