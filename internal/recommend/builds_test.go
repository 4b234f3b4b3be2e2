package recommend_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Past builds answer by id. Pruned, failed and nonexistent ones are unknown.
func TestBuildID(t *testing.T) {
	t.Parallel()
	s := bread(t)
	mustBuild(t, s.pool, builds.DefaultSettings())
	loadText(t, s.pool, "order_id,item_name\n6,tea\n6,bread\n")
	mustBuild(t, s.pool, builds.DefaultSettings())
	s.exec(t, `INSERT INTO builds (status, error, max_basket, neighbours_kept, shrinkage, popularity_exponent,
		similar_exponent, built_by, version)
		VALUES ('failed', 'why', 100, 50, 20, 0.3, 0.1, '', '')`)
	if _, err := builds.Prune(t.Context(), s.pool, 1); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]int64{"pruned": 1, "failed": 4, "unknown": 99, "huge": math.MaxInt64} {
		errs := all(t, s.Recommender, "bread", recommend.Options{BuildID: id})
		_, errs["explain"] = s.Explain(t.Context(), "bread", "butter", id)
		_, errs["batch"] = s.AskEach(t.Context(), []string{"bread"}, recommend.Options{BuildID: id})
		for question, err := range errs {
			if !errors.Is(err, recommend.ErrUnknownBuild) || errors.Is(err, recommend.ErrNoBuild) {
				t.Errorf("%s of a build that is %s: %v", question, name, err)
			}
		}
	}
	for id, want := range map[int64]int64{0: 3, 2: 2, 3: 3} {
		answer, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{BuildID: id, Limit: 100}))
		if err != nil || answer.Metadata.BuildID != want || slices.Contains(items(answer), "tea") != (want == 3) {
			t.Errorf("build %d: %q by %d (%v)", id, items(answer), answer.Metadata.BuildID, err)
		}
		e, err := s.Explain(t.Context(), "bread", "butter", id)
		if err != nil || e.BuildID != want || e.ItemOrders != 2+want {
			t.Errorf("explain by build %d: %+v, %v", id, e, err)
		}
	}
	if _, err := s.Ask(t.Context(), recommend.Similar("tea", recommend.Options{BuildID: 2})); !errors.Is(err,
		recommend.ErrUnknownItem) {
		t.Errorf("an item that build 2 does not know: %v", err)
	}
}

// Days are UTC days before the newest order of the build. They only affect popular items.
func TestDays(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	loadText(t, pool,
		"order_id,item_name,ordered_at\n1,bread,2024-03-01T00:30:00Z\n2,milk,2024-02-29T23:30:00Z\n"+
			"2,bread,2024-02-29T23:30:00Z\n"+
			"3,milk,2024-03-01T00:30:00+01:00\n4,tea,2023-03-03T12:00:00Z\n5,tea,2023-03-02T12:00:00Z\n6,tea,\n")
	mustBuild(t, pool, builds.DefaultSettings())
	r := recommend.New(pool)
	for days, want := range map[int]string{
		1:   "bread: in 1 of 1 orders of the last day",
		2:   "bread: in 2 of 3 orders of the last 2 days; milk: in 2 of 3 orders of the last 2 days",
		364: "bread: in 2 of 3 orders of the last 364 days; milk: in 2 of 3 orders of the last 364 days",
		365: "bread: in 2 of 4 orders of the last 365 days; milk: in 2 of 4 orders of the last 365 days; tea: " +
			"in 1 of 4 orders of the last 365 days",
		0: "tea: in 3 of 6 orders; bread: in 2 of 6 orders; milk: in 2 of 6 orders",
	} {
		answer, err := r.Ask(t.Context(), recommend.Popular(recommend.Options{Days: days}))
		if got := strings.Join(reasons(answer, err), "; "); got != want || answer.Metadata.Days != days ||
			answer.Metadata.Note != "" {
			t.Errorf("%d days: %s, want %s; %+v", days, got, want, answer.Metadata)
		}
	}
	for question, err := range all(t, r, "bread", recommend.Options{Days: 366}) {
		if invalid := new(recommend.InvalidError); question == "popular" &&
			(!errors.As(err, &invalid) || invalid.Field != "days") || question != "popular" && err != nil {
			t.Errorf("%s of 366 days: %v", question, err)
		}
	}
	answer, err := r.Ask(t.Context(), recommend.Similar("bread", recommend.Options{Days: 1}))
	if err != nil || !slices.Equal(items(answer), []string{"milk", "tea"}) || answer.Metadata.Days != 0 {
		t.Errorf("similar: %+v, %v", answer, err)
	}
}

// A build with a window does not count more days than that, and all of its answers name its window.
func TestDaysBeyondTheWindow(t *testing.T) {
	t.Parallel()
	s := &scene{pool: dbtest.New(t)}
	loadText(t, s.pool,
		"order_id,item_name,ordered_at\n1,bread,2024-03-15\n1,milk,2024-03-15\n2,bread,2024-03-10\n3,bread,2024-02-20\n")
	mustBuild(t, s.pool, builds.DefaultSettings())
	window := builds.DefaultSettings()
	window.WindowDays = 14
	mustBuild(t, s.pool, window)
	window.WindowDays = 1
	mustBuild(t, s.pool, window)
	r := recommend.New(s.pool)
	tx := s.reporter(t)
	for _, c := range []struct {
		build        int64
		days, window int
		reason, note string
	}{
		{1, 30, 0, "bread: in 3 of 3 orders of the last 30 days", ""},
		{2, 0, 14, "bread: in 2 of 2 orders", ""},
		{2, 3, 14, "bread: in 1 of 1 orders of the last 3 days", ""},
		{2, 14, 14, "bread: in 2 of 2 orders of the last 14 days", ""},
		{2, 30, 14, "bread: in 2 of 2 orders of the last 14 days", "build 2 counts only the last 14 of these 30 days"},
		{3, 30, 1, "bread: in 1 of 1 orders of the last day", "build 3 counts only the last 1 of these 30 days"},
	} {
		answer, err := r.Ask(t.Context(), recommend.Popular(recommend.Options{Days: c.days, BuildID: c.build, Limit: 1}))
		m := answer.Metadata
		if got := strings.Join(reasons(answer, err), "; "); got != c.reason || m.Note != c.note ||
			m.WindowDays != c.window || m.Days != c.days {
			t.Errorf("%d days of build %d: %s, want %s; %+v", c.days, c.build, got, c.reason, m)
		}
		if c.days > 0 {
			wantReported(t, tx, c.reason, answer, "reporting.recent_popular_items($1, 1, build => $2)", c.days, c.build)
		}
		similar, err := r.Ask(t.Context(), recommend.Similar("bread", recommend.Options{BuildID: c.build}))
		if err != nil || similar.Metadata.WindowDays != c.window || similar.Metadata.Note != "" {
			t.Errorf("similar by build %d: %+v, %v", c.build, similar.Metadata, err)
		}
		batch, err := r.AskEach(t.Context(), []string{"bread", "nothing"}, recommend.Options{BuildID: c.build})
		if err != nil || batch.Answers[0].Metadata.WindowDays != c.window ||
			batch.Answers[1].Metadata.WindowDays != c.window {
			t.Errorf("batch by build %d: %+v, %v", c.build, batch, err)
		}
	}
}

// Pinned items count orders of the last days, too, even if there are none.
func TestDaysWithRules(t *testing.T) {
	t.Parallel()
	s := &scene{pool: dbtest.New(t)}
	loadText(t, s.pool,
		"order_id,item_name,ordered_at\n1,bread,2024-03-01\n2,bread,2024-02-01\n2,milk,2024-02-01\n"+
			"3,tea,2024-03-01\n3,bread,2024-03-01\n")
	mustBuild(t, s.pool, builds.DefaultSettings())
	r := recommend.New(s.pool)
	s.rule(t, "pin", "", "milk", "tea")
	answer, err := r.Ask(t.Context(), recommend.Popular(recommend.Options{Days: 7}))
	want := "milk: pinned by rule 1, in 0 of 2 orders of the last 7 days; tea: " +
		"pinned by rule 1, in 1 of 2 orders of the last 7 days; " +
		"bread: in 2 of 2 orders of the last 7 days"
	if got := strings.Join(reasons(answer, err), "; "); got != want || answer.Recommendations[0].Confidence != 0 ||
		answer.Recommendations[1].Confidence != 0.5 {
		t.Errorf("%s, want %s; %+v", got, want, answer.Recommendations)
	}
}

// If no order has a time, there are no last days, and the answer says so.
func TestDaysWithoutTimes(t *testing.T) {
	t.Parallel()
	s := bread(t)
	s.rule(t, "pin", "", "milk")
	answer, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Days: 7}))
	if got := strings.Join(reasons(answer, err),
		"; "); got != "milk: pinned by rule 1, in 0 of 0 orders of the last 7 days" {
		t.Error(got)
	}
	if answer.Metadata.Note != "no order of build 1 has a time, so it has no last days" {
		t.Errorf("note: %q", answer.Metadata.Note)
	}
	s.repeal(t)
	if answer, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Days: 7})); err != nil ||
		len(answer.Recommendations) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

// Known attributes are in the answer, unknown ones are left out.
func TestAttributes(t *testing.T) {
	t.Parallel()
	s := bread(t)
	s.exec(t, `INSERT INTO item_attributes (item_id, category, label, url, image_url, price, source, changed_by)
		SELECT i.item_id, 'spreads', 'Butter, salted', 'https://shop.example/butter', 'https://shop.example/butter.png',
		2.490, 'items.csv', 'tester'
		FROM items AS i WHERE i.name = 'butter'`)
	s.exec(t, `INSERT INTO item_attributes (item_id, price, source, changed_by)
		SELECT i.item_id, 0, 'items.csv', 'tester' FROM items AS i WHERE i.name = 'jam'`)
	answer, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	price := func(p *float64) float64 {
		if p == nil {
			return -1
		}
		return *p
	}
	for _, r := range answer.Recommendations {
		got, want := r.Attributes, recommend.Attributes{}
		paid := price(got.Price)
		got.Price = nil
		wantPaid := -1.0
		switch r.ItemName {
		case "butter":
			want = recommend.Attributes{
				Category: "spreads", Label: "Butter, salted", URL: "https://shop.example/butter",
				ImageURL: "https://shop.example/butter.png",
			}
			wantPaid = 2.49
		case "jam":
			wantPaid = 0
		}
		if got != want || paid != wantPaid {
			t.Errorf("%s: %+v at %v, want %+v at %v", r.ItemName, got, paid, want, wantPaid)
		}
	}
	spread, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{
		Categories: []string{"spreads", "\x00", "spreads"},
	}))
	if err != nil || !slices.Equal(items(spread), []string{"butter"}) {
		t.Errorf("%q, %v", items(spread), err)
	}
	// An invalid category matches no item. It does not disable the filter.
	none, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{Categories: []string{"\x00"}}))
	if err != nil || len(none.Recommendations) != 0 {
		t.Errorf("%q, %v", items(none), err)
	}
}
