package recommend_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// TestCases runs the examples of testdata. Each file starts with the calculation in prose. Its sections are the
// settings that differ from the defaults, the orders as "id: item, item" or "id time: item, item", and questions with
// one answer per line: name | score | source | orders together | confidence | lift.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := testCase{settings: builds.DefaultSettings()}
			for _, f := range archive.Files {
				c.section(t, f.Name, strings.TrimSpace(string(f.Data)))
			}
			if c.questions == 0 || len(archive.Comment) == 0 {
				t.Errorf("%d questions, %d bytes of prose", c.questions, len(archive.Comment))
			}
		})
	}
}

type testCase struct {
	settings  builds.Settings
	r         *recommend.Recommender
	questions int
}

func (c *testCase) section(t *testing.T, name, text string) {
	t.Helper()
	switch name {
	case "settings":
		for line := range strings.Lines(text) {
			c.set(t, strings.Fields(line))
		}
	case "orders":
		var csv strings.Builder
		csv.WriteString("order_id,item_name,ordered_at\n")
		for line := range strings.Lines(text) {
			order, basket, _ := strings.Cut(strings.TrimSpace(line), ": ")
			order, at, _ := strings.Cut(order, " ")
			for item := range strings.SplitSeq(basket, ", ") {
				fmt.Fprintf(&csv, "%s,%s,%s\n", order, item, at)
			}
		}
		pool := dbtest.New(t)
		loadText(t, pool, csv.String())
		mustBuild(t, pool, c.settings)
		c.r = recommend.New(pool)
	default:
		c.questions++
		if diff := cmp.Diff(text, strings.Join(c.ask(t, name), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func (c *testCase) set(t *testing.T, field []string) {
	t.Helper()
	value, err := strconv.ParseFloat(field[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range builds.SettingTable {
		if s.Column == field[0] {
			s.Set(&c.settings, &value)
			return
		}
	}
	t.Fatalf("no such setting: %s", field[0])
}

// ask parses a question like "similar bread measure=count limit=2" and returns the lines of its answer.
func (c *testCase) ask(t *testing.T, question string) []string {
	t.Helper()
	fields := strings.Fields(question)
	opts := recommend.Options{}
	var names []string
	for _, f := range fields[1:] {
		key, value, option := strings.Cut(f, "=")
		var err error
		switch {
		case !option && f == "strict":
			opts.Strict = true
		case !option:
			names = append(names, f)
		case key == "limit":
			opts.Limit, err = strconv.Atoi(value)
		case key == "measure":
			opts.Measure = recommend.Measure(value)
		case key == "min_support":
			opts.MinSupport, err = strconv.ParseInt(value, 10, 64)
		case key == "min_confidence":
			opts.MinConfidence, err = strconv.ParseFloat(value, 64)
		case key == "days":
			opts.Days, err = strconv.Atoi(value)
		case key == "exclude":
			opts.Exclude = append(opts.Exclude, value)
		default:
			t.Fatalf("%s: no such option: %s", question, key)
		}
		if err != nil {
			t.Fatalf("%s: %v", question, err)
		}
	}
	var answer recommend.Answer
	var err error
	switch fields[0] {
	case "popular":
		answer, err = c.r.Ask(t.Context(), recommend.Popular(opts))
	case "similar":
		answer, err = c.r.Ask(t.Context(), recommend.Similar(names[0], opts))
	case "basket":
		answer, err = c.r.Ask(t.Context(), recommend.Basket(names, opts))
	case "order":
		answer, err = c.r.Ask(t.Context(), recommend.Order(names[0], opts))
	case "reasons":
		answer, err = c.r.Ask(t.Context(), recommend.Basket(names, opts))
		return reasons(answer, err)
	default:
		t.Fatalf("no such question: %s", question)
	}
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var lines []string
	for _, r := range answer.Recommendations {
		lines = append(lines, fmt.Sprintf("%s | %.4f | %s | %d | %.4f | %.4f",
			r.ItemName, r.SimilarityScore, r.Source, r.OrdersTogether, r.Confidence, r.Lift))
	}
	return lines
}

func reasons(answer recommend.Answer, err error) []string {
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var lines []string
	for _, r := range answer.Recommendations {
		lines = append(lines, r.ItemName+": "+r.Reason)
	}
	return lines
}
