package dashboard

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// grade has a build be graded, and changes the grade by a factor.
func grade(t *testing.T, pool *pg.Pool, id int64, factor float64) {
	t.Helper()
	b, err := newQueries(pool).BuildGet(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	report, err := evaluate.Run(t.Context(), pool, evaluate.Options{
		Protocol: evaluate.DefaultProtocol(), Settings: builds.SettingsOf(b),
		Measures: []recommend.Measure{recommend.Affinity},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Grades {
		report.Grades[i].HR10 *= factor
	}
	if err := evaluate.Store(t.Context(), pool, id, report); err != nil {
		t.Fatal(err)
	}
}

func TestBuilds(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	fill(t, pool, "order,item\nn1,PID\nn1,A new item\nn2,PID\nn2,A new item\n")
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())

	// A guarded build that grades worse is refused, and the page says why.
	grade(t, pool, 1, 1)
	grade(t, pool, 2, 1)
	s.signIn(t, b, "admin")
	s.inspect(t, b, "/dashboard/builds", "builds")
	s.inspect(t, b, "/dashboard/builds/build?id=2", "build")
	grade(t, pool, 2, 1.1) // more than any other
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/builds"), chromedp.Click("[name=guard]"),
		chromedp.Click("form[action$='/builds/new'] button"))
	b.Until(t, `document.querySelector("#now [role=alert]")?.textContent.includes("it grades worse than build 2")`)
	s.inspect(t, b, "/dashboard/builds", "")
	if text := browsertest.Eval[string](t, b, `document.querySelector("main").innerText`); !strings.Contains(text,
		"Refused: it grades worse than build 2") {
		t.Errorf("the list does not say why build 3 was refused:\n%s", text)
	}
	s.inspect(t, b, "/dashboard/builds/diff?before=1&after=2", "builds-diff")
	diff, err := builds.Compare(t.Context(), pool, 1, 2, diffShown)
	if err != nil {
		t.Fatal(err)
	}
	text := browsertest.Eval[string](t, b, `document.querySelector("#diff").innerText`)
	if !strings.Contains(text, "+"+num(diff.PairsAppeared)+", −"+num(diff.PairsVanished)) ||
		!strings.Contains(text, "A new item") {
		t.Errorf("the comparison: %s", text)
	}

	// Back to build 1, and on by a new one.
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/builds"), chromedp.Click("#now a.button"))
	b.Until(t, `document.querySelector("h1")?.textContent == "Activate build 1?"`)
	s.check(t, b, "a switch")
	b.Do(t, chromedp.Click("form[action$='/builds/activate'] button"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent == "Build 1 is now active."`)
	if active(t, pool) != 1 {
		t.Error("another build answers")
	}
	b.Do(t, chromedp.Click("form[action$='/builds/new'] button"))
	b.Until(t, `document.querySelector("#now .done")?.textContent.includes("Build 4 is complete")`)
	if active(t, pool) != 4 {
		t.Error("the new build does not answer")
	}
}

// Hostile names, and no build at all.
func TestBuildsOfAnyName(t *testing.T) {
	t.Parallel()
	odd, empty := dbtest.New(t), dbtest.New(t)
	fill(t, odd, hostileOrders())
	fill(t, odd, "order,item\nn1,"+hostile[1]+"\nn1,"+hostile[2]+"\n")
	strange, none := serve(t, odd, nil), serve(t, empty, nil)
	b := browsertest.New(t, strange.host(), none.host())
	none.signIn(t, b, "admin")
	none.inspect(t, b, "/dashboard/builds", "")
	strange.signIn(t, b, "admin")
	strange.inspect(t, b, "/dashboard/builds/diff?before=1&after=2", "")
}

func active(t *testing.T, pool *pg.Pool) int64 {
	t.Helper()
	return scalar(t, pool, `SELECT build_id FROM builds WHERE active`)
}

// A build that fails says why, and one at a time is made.
func TestFailedBuild(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, hostileOrders())
	if _, err := pool.Exec(t.Context(), `INSERT INTO builds (status, error, max_basket, neighbours_kept, shrinkage,
		popularity_exponent, similar_exponent,
		overlap_discount, popularity_prior, built_by, version) VALUES ('failed', 'no space left', 100, 50, 20, .3, .1, 1, 20,
		'test', 'test')`); err != nil {
		t.Fatal(err)
	}
	s := serve(t, pool, nil)
	cookie := s.session(t, "read")
	for _, path := range []string{"/dashboard/builds", "/dashboard/builds/build?id=2"} {
		if _, body := s.get(t, path, cookie); !strings.Contains(body, "No space left.") {
			t.Errorf("%s does not say why the build failed", path)
		}
	}
	for path, want := range map[string]string{
		"/dashboard/builds/diff?before=1&after=2": "no longer kept", "/dashboard/builds/activate?id=1": "does not allow this",
	} {
		if _, body := s.get(t, path, cookie); !strings.Contains(body, want) {
			t.Errorf("%s: no %q", path, want)
		}
	}
	// The lock of builds is held: two requests begin one build, and the end of the server ends it.
	held := make(chan struct{})
	go func() {
		_ = pg.Reserve(context.WithoutCancel(t.Context()), pool, func(conn *pgx.Conn) error {
			err := pg.Lock(t.Context(), conn, pg.BuildLock, 0)
			close(held)
			<-t.Context().Done()
			return err
		})
	}()
	<-held
	writer := s.session(t, "write")
	for range 2 {
		s.post(t, "/dashboard/builds/new", writer, nil)
	}
	if _, body := s.get(t, "/dashboard/builds", s.session(t, "read")); !strings.Contains(body, "A build is running") {
		t.Error("the page does not follow the build")
	}
	first := s.d.builder.newest()
	s.d.Close()
	if !isClosed(first.done) || first.Err == nil || first != s.d.builder.newest() {
		t.Errorf("after the end: %v", first.Err)
	}
}
