package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help", []string{"--help"}, 0, "-scale"},
		{"unknown flag", []string{"--sclae=2"}, 2, "sclae"},
		{"an argument", []string{"orders.csv"}, 2, `unexpected "orders.csv"`},
		{"no scale", []string{"--scale=0"}, 2, "choose 1 to 10000"},
		{"too large a scale", []string{"--scale=10001"}, 2, "choose 1 to 10000"},
		{"no runs", []string{"--runs=0"}, 2, "choose 1 or more"},
		{"no time", []string{"--each=0s"}, 2, "choose a time above 0"},
		{"no server", []string{"--server=postgres:///x?host=" + t.TempDir()}, 1, "connect to PostgreSQL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit status %d, want %d; stderr: %s", code, c.code, &stderr)
			}
			if !strings.Contains(stderr.String(), c.says) {
				t.Errorf("stderr does not say %q: %s", c.says, &stderr)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout has %q", &stdout)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	r := report{
		Scale: 1, Runs: 3, Processors: 2, GoVersion: "go1.26.0", PostgreSQL: "15.1", FileBytes: 32_887_764,
		counts:        counts{Lines: 486_620, Items: 15_105, Pairs: 133_632, Neighbours: 220_744},
		PeakLoadBytes: 41_000_000, MoreOrders: 1_000,
		Questions: []answered{{"similar", "HTTP", 8, 100, 1234.5, .00125, .0105}},
	}
	var phases, compared timings
	for _, seconds := range []float64{4, 2, 3} {
		phases.add("copy", seconds/4)
		phases.add(total, seconds)
		compared.add(floor, 2)
	}
	var delta timings
	delta.add("delta build", 0.5)
	r.Phases, r.Delta, r.Compared = phases.summary(r.Lines), delta.summary(r.Lines), compared.summary(r.Lines)
	r.compare()

	var tables, nothing bytes.Buffer
	if err := write(r, false, &tables, &nothing); err != nil {
		t.Fatal(err)
	}
	const want = `scale 1: 486,620 lines (32.9 MB), 15,105 items, 133,632 pairs, 220,744 neighbours
PostgreSQL 15.1, go1.26.0, 2 processors, 3 runs

                               phase  median s      min..max  lines/s
                                copy     0.750  0.500..1.000  648,826
                file to active build     3.000  2.000..4.000  162,206
  floor: COPY of two integer columns     2.000  2.000..2.000  243,310

         file to active build, times  median    min..max
  floor: COPY of two integer columns    1.50  1.00..2.00

  1,000 orders more  median s      min..max
        delta build     0.500  0.500..0.500

peak memory of the process while it loads: 41.0 MB resident

  question  over  goroutines  requests/s  p50 ms  p99 ms
   similar  HTTP           8       1,234    1.25   10.50
`
	if diff := cmp.Diff(want, tables.String()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	if nothing.Len() > 0 {
		t.Errorf("stderr has %q", &nothing)
	}

	var stdout, stderr bytes.Buffer
	if err := write(r, true, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Errorf("tables beside JSON (-want +got):\n%s", diff)
	}
	var got report
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got, cmp.AllowUnexported(report{})); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}
