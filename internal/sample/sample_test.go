package sample_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/sample"
)

const (
	pid             = "PID"
	calKit          = "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag"
	waterLevelMeter = "Water Level Meter"
	ysi             = "YSI"
	horiba          = "Horiba"
	gloves          = "Gloves"
)

// figures are the known totals of the prototype's data.
type figures struct {
	Orders, Lines, Items, Pairs int
	MinSize, MaxSize            int
	Holding                     map[string]int
	HoldingPIDAnd               map[string]int
	AboveHoriba                 []string // other items that are in more orders
}

// scaled returns the expected totals for a scale with the given square root.
func scaled(root int) figures {
	scale := root * root
	return figures{
		Orders: 154_167 * scale, Lines: 486_620 * scale, Items: 15_105 * root, Pairs: 133_632 * root,
		MinSize: 1, MaxSize: 35,
		Holding: map[string]int{
			pid: 30_245 * scale, waterLevelMeter: 29_558 * scale, calKit: 22_975 * scale,
			ysi: 18_676 * scale, horiba: 15_305 * scale, gloves: 7_243 * scale,
		},
		HoldingPIDAnd: map[string]int{
			calKit: 17_951 * scale, waterLevelMeter: 8_124 * scale, gloves: 3_609 * scale,
		},
	}
}

func TestWriteMeetsTheFigures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  sample.Config
		root int
	}{
		{"scale 1, seed 1", sample.Config{Scale: 1, Seed: 1}, 1},
		{"scale 1, seed 2", sample.Config{Scale: 1, Seed: 2}, 1},
		{"scale 1, seed 3", sample.Config{Scale: 1, Seed: 3}, 1},
		{"scale 4, seed 1", sample.Config{Scale: 4, Seed: 1}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, stats := recountSample(t, tt.cfg)
			if diff := cmp.Diff(scaled(tt.root), got.figures()); diff != "" {
				t.Errorf("figures of the rows (-want +got):\n%s", diff)
			}
			want := sample.Stats{Orders: int64(len(got.baskets)), Lines: int64(got.lines), Items: int64(len(got.names))}
			if diff := cmp.Diff(want, stats); diff != "" {
				t.Errorf("Stats against the rows (-rows +stats):\n%s", diff)
			}
		})
	}
}

// The demo shows these lists to people, so they should be plausible.
func TestSimilarItemsMakeSense(t *testing.T) {
	t.Parallel()
	got, _ := recountSample(t, sample.Config{Scale: 1, Seed: 1})
	tests := []struct {
		item string
		best string   // "" for any
		top  []string // in any order, among the best ten
	}{
		{pid, calKit, []string{`Tubing - 1/4" x 3/8" - Teflon`, "PID Lamp - 10.6 eV", "PID Charger & Wall Adapter", gloves}},
		{
			waterLevelMeter, "", []string{
				`Bailer - Disposable - 1.5" x 36"`, "Water Level Meter Tape - 200'", "Interface Probe - 100'",
			},
		},
		{ysi, "", []string{"YSI Flow Cell", "Calibration Solution - Horiba Auto-Cal - 1 L", "YSI Cable - 10 m"}},
		{horiba, "", []string{"Horiba Flow Cell", "Calibration Solution - Horiba Auto-Cal - 1 L"}},
	}
	for _, tt := range tests {
		t.Run(tt.item, func(t *testing.T) {
			t.Parallel()
			similar := got.similar(tt.item)[:10]
			t.Logf("%s: %s", tt.item, strings.Join(similar, "; "))
			if tt.best != "" && similar[0] != tt.best {
				t.Errorf("most similar item is %q, want %q", similar[0], tt.best)
			}
			for _, want := range tt.top {
				if !slices.Contains(similar, want) {
					t.Errorf("%q is not among the best ten", want)
				}
			}
		})
	}
}

func TestWriteRowsAreWellFormed(t *testing.T) {
	t.Parallel()
	var previous []string
	names := map[string]bool{}
	ended := map[string]bool{}
	for row := range rows(t, sample.Config{Scale: 1, Seed: 1}) {
		order, name, quantity, orderedAt := row[0], row[1], row[2], row[3]
		names[name] = true
		if at, err := time.Parse(time.RFC3339, orderedAt); err != nil || at.Location() != time.UTC {
			t.Fatalf("order %s: ordered_at %q is not RFC 3339 in UTC: %v", order, orderedAt, err)
		}
		if n, err := strconv.Atoi(quantity); err != nil || n < 1 || n > 12 {
			t.Fatalf("order %s: quantity %q is not 1 to 12", order, quantity)
		}
		switch {
		case previous == nil:
			if order != "R100001" || orderedAt[:4] != "2023" {
				t.Errorf("first order is %s at %s", order, orderedAt)
			}
		case order == previous[0]:
			if diff := cmp.Diff(previous[3:], row[3:]); diff != "" {
				t.Fatalf("order %s: lines differ in time or customer:\n%s", order, diff)
			}
		default:
			ended[previous[0]] = true
			if ended[order] || order < previous[0] || orderedAt < previous[3] {
				t.Fatalf("order %s at %s follows %s at %s", order, orderedAt, previous[0], previous[3])
			}
		}
		previous = row
	}
	if day := previous[3][:10]; day != "2025-12-31" {
		t.Errorf("last order is of %s", day)
	}

	awkward := map[rune]bool{}
	for name := range names {
		if name == "" || strings.TrimSpace(name) != name {
			t.Errorf("name %q has blanks around it", name)
		}
		for _, r := range name {
			awkward[r] = true
		}
	}
	for _, r := range `/",&%#+°µ'` {
		if !awkward[r] {
			t.Errorf("no name contains %q", r)
		}
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	t.Parallel()
	// Changing this changes everybody's sample: mention it in the changelog.
	const golden = "ca33319f465673760226697b986eb83414424bd3c315c89bac2f83abb0ae2722"
	first := digest(t, sample.Config{Scale: 1, Seed: 1})
	if first != golden {
		t.Errorf("SHA-256 of scale 1, seed 1 is %s, want %s", first, golden)
	}
	if again := digest(t, sample.Config{Scale: 1, Seed: 1}); again != first {
		t.Errorf("the same seed gave %s and %s", first, again)
	}
	if other := digest(t, sample.Config{Scale: 1, Seed: 2}); other == first {
		t.Errorf("seeds 1 and 2 gave the same bytes")
	}
}

func TestWriteRefusesAScale(t *testing.T) {
	t.Parallel()
	for _, scale := range []int{-1, 0, sample.MaxScale + 1} {
		t.Run(strconv.Itoa(scale), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			_, err := sample.Write(&out, sample.Config{Scale: scale})
			want := fmt.Sprintf("sample scale is %d: choose 1 to 10000", scale)
			if err == nil || err.Error() != want {
				t.Errorf("error is %v, want %s", err, want)
			}
			if out.Len() > 0 {
				t.Errorf("%d bytes were written before the error", out.Len())
			}
		})
	}
}

func TestWriteStopsAtTheWritersError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		after int // writes that succeed
	}{
		{"at once", 0},
		{"in the middle", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &fullDisk{left: tt.after}
			stats, err := sample.Write(w, sample.Config{Scale: 1, Seed: 1})
			if !errors.Is(err, errDiskFull) {
				t.Errorf("error is %v, want %v", err, errDiskFull)
			}
			if w.calls != tt.after+1 {
				t.Errorf("the writer was called %d times, want %d", w.calls, tt.after+1)
			}
			if stats.Orders == 0 || stats.Orders > 10_000 {
				t.Errorf("Stats counts %d orders", stats.Orders)
			}
		})
	}
}

// Not parallel: it watches the heap, which all tests share.
func TestWriteStreams(t *testing.T) { //nolint:paralleltest // as said
	w := &heapWatch{}
	if _, err := sample.Write(w, sample.Config{Scale: 20, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	const limit = 48 << 20
	if w.peak > limit {
		t.Errorf("the heap grew to %d MiB over %d MiB of output, want at most %d", w.peak>>20, w.bytes>>20, limit>>20)
	}
}

func BenchmarkWrite(b *testing.B) {
	b.ReportAllocs()
	var lines int64
	for b.Loop() {
		stats, err := sample.Write(io.Discard, sample.Config{Scale: 1, Seed: 1})
		if err != nil {
			b.Fatal(err)
		}
		lines += stats.Lines
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}

var errDiskFull = errors.New("disk full")

type fullDisk struct{ left, calls int }

func (d *fullDisk) Write(b []byte) (int, error) {
	d.calls++
	if d.left == 0 {
		return 0, errDiskFull
	}
	d.left--
	return len(b), nil
}

type heapWatch struct {
	calls int
	bytes int64
	peak  uint64
}

func (w *heapWatch) Write(b []byte) (int, error) {
	if w.calls++; w.calls%100 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapInuse)
	}
	w.bytes += int64(len(b))
	return len(b), nil
}

func digest(t *testing.T, cfg sample.Config) string {
	t.Helper()
	h := sha256.New()
	if _, err := sample.Write(h, cfg); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
