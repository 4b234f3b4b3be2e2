package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

func TestRejectLimit(t *testing.T) {
	t.Parallel()
	rows := func(n int64) rejectLimit { return rejectLimit{rows: &n} }
	share := func(s float64) rejectLimit { return rejectLimit{share: &s} }
	for _, c := range []struct {
		text string
		want rejectLimit
	}{
		{"0", rows(0)},
		{"10", rows(10)},
		{"9223372036854775807", rows(9223372036854775807)},
		{"0%", share(0)},
		{"2%", share(0.02)},
		{"0.5%", share(0.005)},
		{"0.1%", share(0.001)}, // exactly
		{"29%", share(0.29)},
		{".5%", share(0.005)},
		{"100%", share(1)},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			var got rejectLimit
			if err := got.UnmarshalText([]byte(c.text)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(rejectLimit{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{
		"", "%", "x", "-1", "-1%", "+1", "1e2", "1e2%", "NaN%", "Inf%", "0x1%", "1.5", "1.2.3%",
		"100.1%", "1 %", "1_0", "1,000", "9223372036854775808",
	} {
		t.Run("wrong "+text, func(t *testing.T) {
			t.Parallel()
			var got rejectLimit
			if err := got.UnmarshalText([]byte(text)); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v: want an error of one line", got, err)
			}
		})
	}
}

// TestRejectLimitToTheRow loads files with exactly the allowed number of rejects, and one more. Rehearsal and load
// agree, even for shares without an exact binary representation.
func TestRejectLimitToTheRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit          string
		rows, rejected int
	}{
		{"29", 100, 29},
		{"29%", 100, 29}, // 0.29*100 is less than 29
		{"0.1%", 3000, 3},
		{"75%", 8, 6},
		{"0%", 10, 0},
		{"0", 10, 0},
	} {
		t.Run(c.limit, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			for _, rejected := range []int{c.rejected, c.rejected + 1} {
				if rejected > c.rows {
					continue
				}
				var file strings.Builder
				file.WriteString("order_id,item_name\n")
				for i := range c.rows {
					if i < rejected {
						file.WriteString("1,\n")
					} else {
						fmt.Fprintf(&file, "%d,a\n", i)
					}
				}
				status := exitDone
				if rejected > c.rejected {
					status = exitFailed
				}
				for _, how := range [][]string{{"load", "--dry-run"}, {"load", "--no-build"}} {
					e := alsobought(t, url, strings.NewReader(file.String()), append(how, "--max-rejects", c.limit, "-")...)
					if e.status != status || status == exitFailed && !strings.Contains(e.stderr, "too many rejects") {
						t.Errorf("%s with %d of %d rejected, %s allowed: %+v", how, rejected, c.rows, c.limit, e)
					}
				}
			}
		})
	}
}

// TestDryRunHostile checks that rows with control characters come out as printable text.
func TestDryRunHostile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "orders\x1b[31m\n.csv")
	file := "order_id,item_name,\x1b[2Jnote\n" + "1,a\x1b[31m,\n" + "2,\x00\x1b]0;title\x07,\n" + "3,half a \xc3,\n" +
		"4,,\x1b[2J\n" + "5,a\tb\u0085c,\n"
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"load", "--dry-run", name}, {"load", "--dry-run", "--json", name}} {
		e := alsobought(t, "", nil, args...)
		if e.status != exitDone || e.stderr != "" {
			t.Fatalf("got %+v", e)
		}
		if strings.ContainsFunc(e.stdout, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) ||
			strings.ToValidUTF8(e.stdout, "") != e.stdout {
			t.Errorf("%s printed %q", args, e.stdout)
		}
		for _, reason := range []datafile.Reason{datafile.NULByte, datafile.NotUTF8, orderfile.MissingItem} {
			if !strings.Contains(e.stdout, string(reason)) {
				t.Errorf("%s says nothing of %s", args, reason)
			}
		}
	}
}

// grows is a file that grows after its beginning was read.
type grows struct {
	*os.File
	append func()
}

func (g *grows) Read(p []byte) (int, error) {
	n, err := g.File.Read(p)
	if g.append != nil {
		g.append()
		g.append = nil
	}
	return n, err
}

func TestDryRunFileChanges(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(name, []byte("order_id,item_name\n1,a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := datafile.Source{Name: name, Open: func() (io.ReadCloser, error) {
		f, err := os.Open(name)
		return &grows{f, func() {
			more, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = more.WriteString("2,b\n")
			}
			if err := errors.Join(err, more.Close()); err != nil {
				t.Error(err)
			}
		}}, err
	}}
	_, err := load.Rehearse(t.Context(), []datafile.Source{source}, load.Options{})
	if err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("got %v", err)
	}
}

func TestDryRunCancelled(t *testing.T) {
	t.Parallel()
	source := datafile.Source{
		Name: "orders", Open: func() (io.ReadCloser, error) { return io.NopCloser(manyOrders()), nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load.Rehearse(ctx, []datafile.Source{source}, load.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
