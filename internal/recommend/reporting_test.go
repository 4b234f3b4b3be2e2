package recommend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// reporter returns a transaction of a role whose only privileges are those of alsobought_reporting.
func (s *scene) reporter(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The transaction creates its own role, because roles are shared by all databases of the server.
	for _, sql := range []string{
		"CREATE ROLE analyst", "GRANT alsobought_reporting TO analyst",
		"SET LOCAL ROLE analyst",
	} {
		sql = strings.ReplaceAll(sql, "analyst", pgx.Identifier{"analyst of " +
			s.pool.Config().ConnConfig.Database}.Sanitize())
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = tx.Rollback(t.Context()) }) // ctx is done: closes the connection, which rolls back
	return tx
}

// reported reads an answer of the reporting schema.
func reported(t *testing.T, tx pgx.Tx, sql string, args ...any) []recommend.Recommendation {
	t.Helper()
	rows, err := tx.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list := []recommend.Recommendation{}
	var r recommend.Recommendation
	_, err = pgx.ForEachRow(rows, []any{
		&r.ItemName, &r.SimilarityScore, &r.Reason, &r.Source, &r.PopularityRank, &r.OrdersTogether, &r.Confidence, &r.Lift,
	}, func() error { list = append(list, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// reportedAnswer is one row of an answer of the reporting schema, with the API's JSON names.
type reportedAnswer struct {
	recommend.Recommendation

	BuildID      int64     `json:"build_id"`
	BuiltAt      time.Time `json:"built_at"`
	Rules        []int64   `json:"rules"`
	UnknownItems []string  `json:"unknown_items"`
}

// wantReported compares an answer and its metadata with the rows of the reporting schema.
func wantReported(t *testing.T, tx pgx.Tx, what string, answer recommend.Answer, function string, args ...any) {
	t.Helper()
	rows, err := tx.Query(t.Context(), "SELECT to_jsonb(a) FROM "+function+" AS a", args...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[reportedAnswer])
	if err != nil {
		t.Fatal(err)
	}
	var want []reportedAnswer
	m := answer.Metadata
	for _, r := range answer.Recommendations {
		want = append(want, reportedAnswer{r, m.BuildID, m.BuiltAt, m.Rules, m.UnknownItems})
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-answer +reporting):\n%s", what, diff)
	}
}

const reportedColumns = "SELECT item_name, similarity_score, reason, source, popularity_rank, " +
	"orders_together, confidence, lift FROM "

// The reporting schema gives the same answers, bit for bit, with all options and under rules, to a role that may read
// only reports.
func TestReportingEqualsAnswers(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shape, 21, builds.DefaultSettings(), builds.DefaultSettings())
			rnd := random(22)
			names := s.names()
			s.draw(t, rnd, names)
			s.exec(t, `UPDATE item_attributes SET url = 'https://shop.example/' || item_id, price = item_id * 1.10,
				image_url = CASE item_id % 2 WHEN 0 THEN 'https://shop.example/x.png' END WHERE item_id % 3 > 0`)
			s.drawRule(t, rnd, names)
			s.drawRule(t, rnd, names)
			tx := s.reporter(t)
			ruled := 0
			same := func(what string, answer recommend.Answer, err error, function string, args ...any) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if len(answer.Recommendations) > 0 && len(answer.Metadata.Rules) > 0 {
					ruled++
				}
				wantReported(t, tx, what, answer, function, args...)
			}
			for n := range 24 {
				item, opts := names[rnd.IntN(len(names))], s.drawn(rnd, recommend.Measures()[n%6], names)
				given := []any{
					opts.Limit, opts.Measure, opts.MinSupport, opts.MinConfidence, append([]string{}, opts.Exclude...),
					append([]string{}, opts.Categories...),
					opts.Strict, s.of(opts.BuildID).built.BuildID,
				}
				answer, err := s.Ask(t.Context(), recommend.Similar(item, opts))
				same("similar to "+item, answer, err, `reporting.similar_items($1, lim => $2, measure => $3, min_support => $4,
					min_confidence => $5, exclude => $6, categories => $7, strict => $8,
					build => $9)`, append([]any{item}, given...)...)
				basket := []string{
					"never", item, names[rnd.IntN(len(names))], " ever ", item, "nobody ever bought it",
					"never", "ever",
				}[rnd.IntN(3):]
				answer, err = s.Ask(t.Context(), recommend.Basket(basket, opts))
				same(fmt.Sprint("basket ", basket), answer, err, `reporting.basket_recommendations($1, lim => $2, measure => $3,
					min_support => $4, min_confidence => $5, exclude => $6, categories => $7, strict => $8,
					build => $9)`, append([]any{basket}, given...)...)
				opts.Days = 1 + rnd.IntN(365)
				answer, err = s.Ask(t.Context(), recommend.Popular(opts))
				same(fmt.Sprint("popular of ", opts.Days, " days"), answer, err, "reporting.recent_popular_items($1, lim => $2, "+
					"exclude => $3, categories => $4, build => $5)",
					opts.Days, given[0], given[4], given[5], given[7])
			}
			if ruled == 0 {
				t.Error("no answer was ruled by anything")
			}
			answer, err := s.Ask(t.Context(), recommend.Similar(names[0], recommend.Options{}))
			same("similar by default", answer, err, "reporting.similar_items($1)", names[0])
			answer, err = s.Ask(t.Context(), recommend.Basket(names[:1], recommend.Options{}))
			same("basket by default", answer, err, "reporting.basket_recommendations($1)", names[:1])
			answer, err = s.Ask(t.Context(), recommend.Basket([]string{"b", "a", "b"}, recommend.Options{}))
			same("basket of nothing known", answer, err, "reporting.basket_recommendations(ARRAY['b', 'a', NULL, 'b'])")
			if got := reported(t, tx, reportedColumns+"reporting.similar_items('nobody ever bought it')"); len(got) != 0 {
				t.Errorf("similar to an unknown item: %+v", got)
			}
			s.wantPairs(t, tx)
			s.wantExplanations(t, tx, names)
			s.repeal(t)
			s.exec(t, "UPDATE item_attributes SET active = true")
			answer, err = s.Ask(t.Context(), recommend.Popular(recommend.Options{}))
			for i := range answer.Recommendations {
				answer.Recommendations[i].Attributes = recommend.Attributes{} // are in reporting.items
			}
			got := reported(t, tx, `SELECT p.item_name, p.share_of_orders, 'in ' || p.orders || ' of ' || b.orders ||
				' orders', 'popular',
				p.popularity_rank, p.orders, p.share_of_orders, 1::float8
				FROM reporting.popular_items AS p JOIN reporting.builds AS b USING (build_id) ORDER BY p.popularity_rank LIMIT 20`)
			if diff := cmp.Diff(answer.Recommendations, got); err != nil || diff != "" {
				t.Errorf("popular: %v (-answer +reporting):\n%s", err, diff)
			}
		})
	}
}

// wantExplanations compares reporting.explain with Explain, column by column.
func (s *scene) wantExplanations(t *testing.T, tx pgx.Tx, names []string) {
	t.Helper()
	for id := range int64(3) {
		for n := range min(len(names)-1, 8) {
			want, err := s.Explain(t.Context(), names[n], names[n+1], id)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := tx.Query(t.Context(), "SELECT to_jsonb(e) FROM reporting.explain($1, $2, nullif($3, 0)) AS e",
				names[n], names[n+1], id)
			if err != nil {
				t.Fatal(err)
			}
			list, err := pgx.CollectRows(rows, pgx.RowTo[recommend.Explanation])
			if err != nil || len(list) != 1 {
				t.Fatalf("%d rows, %v", len(list), err)
			}
			got := list[0]
			got.Item, got.Other, got.BuiltAt = want.Item, want.Other, got.BuiltAt.UTC()
			for i, o := range got.NewestOrders {
				if o.OrderedAt != nil {
					*got.NewestOrders[i].OrderedAt = o.OrderedAt.UTC()
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q and %q by build %d (-explain +reporting):\n%s", want.Item, want.Other, id, diff)
			}
		}
	}
}

// wantPairs compares every row of reporting.item_pairs with Explain.
func (s *scene) wantPairs(t *testing.T, tx pgx.Tx) {
	t.Helper()
	rows, err := tx.Query(t.Context(), `SELECT item_a, item_b, orders_together, orders_a, orders_b, baskets_a,
		baskets_b, support,
		confidence_ab, confidence_ba, lift, cosine, jaccard, affinity_ab, affinity_ba, weight, build_id, built_at
		FROM reporting.item_pairs ORDER BY item_a, item_b LIMIT 200`)
	if err != nil {
		t.Fatal(err)
	}
	var list []recommend.Explanation
	var back []float64
	var e recommend.Explanation
	var reverse float64
	_, err = pgx.ForEachRow(rows, []any{
		&e.Item, &e.Other, &e.OrdersTogether, &e.ItemOrders, &e.OtherOrders, &e.ItemBaskets, &e.OtherBaskets, &e.Support,
		&e.Confidence, &e.ReverseConfidence, &e.Lift, &e.Cosine, &e.Jaccard, &e.Affinity, &reverse,
		&e.Weight, &e.BuildID, &e.BuiltAt,
	}, func() error { list, back = append(list, e), append(back, reverse); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range list {
		want, err := s.Explain(t.Context(), got.Item, got.Other, 0)
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.Explain(t.Context(), got.Other, got.Item, 0)
		if err != nil || other.Affinity != back[i] {
			t.Fatalf("affinity of %q for %q: %v, want %v (%v)", got.Other, got.Item, back[i], other.Affinity, err)
		}
		// Not in the view.
		want.Reason, want.NeighbourRank, want.Baskets, want.Overlap, want.NewestOrders = "", 0, 0, 0, nil
		want.ShrinkFactor, want.Reach, want.PopularityDivisor, want.ItemMass, want.OtherMass = 0, 0, 0, 0, 0
		want.Shrinkage, want.PopularityExponent = 0, 0
		got.BuiltAt = got.BuiltAt.UTC()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q and %q (-explain +reporting):\n%s", got.Item, got.Other, diff)
		}
	}
	if int64(len(list)) != min(s.built.Pairs, 200) {
		t.Errorf("%d pairs, want %d", len(list), min(s.built.Pairs, 200))
	}
}

// The reporting role may use everything in reporting and nothing in public.
func TestReportingRole(t *testing.T) {
	t.Parallel()
	s := bread(t)
	tx := s.reporter(t)
	// tried returns the SQLSTATE, "" for success.
	tried := func(sql string) string {
		t.Helper()
		inner, err := tx.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = inner.Exec(t.Context(), sql)
		if err := inner.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused := new(pgconn.PgError)
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return refused.Code
	}
	names := func(sql string) []string {
		t.Helper()
		rows, err := s.pool.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v, %v", sql, list, err)
		}
		return list
	}
	for _, view := range names("SELECT relname FROM pg_class WHERE relnamespace = 'reporting'::regnamespace AND " +
		"relkind = 'v'") {
		name := pgx.Identifier{"reporting", view}.Sanitize()
		if code := tried("TABLE " + name); code != "" {
			t.Errorf("read %s: %s", name, code)
		}
		if code := tried("DELETE FROM " + name); code == "" {
			t.Errorf("may delete from %s", name)
		}
	}
	const refused, wrong = "42501", "22023"
	for _, table := range names("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind " +
		"IN ('r', 'p', 'v', 'm')") {
		for _, sql := range []string{"SELECT FROM ", "DELETE FROM ", "LOCK TABLE ", "TRUNCATE "} {
			if code := tried(sql + pgx.Identifier{"public", table}.Sanitize()); code != refused {
				t.Errorf("%s%s: %q, want %s", sql, table, code, refused)
			}
		}
	}
	for sql, want := range map[string]string{
		"SELECT * FROM reporting.similar_items('bread')":                                            "",
		"SELECT * FROM reporting.similar_items('bread', 5, 'lift', 1, 0.1, '{jam}', '{}', true, 1)": "",
		"SELECT * FROM reporting.basket_recommendations(ARRAY['bread', 'jam'])":                     "",
		"SELECT * FROM reporting.explain('bread', 'jam')":                                           "",
		"SELECT * FROM reporting.similar_items('bread', measure => 'pmi')":                          wrong,
		"SELECT * FROM reporting.similar_items('bread', measure => 'Lift')":                         wrong,
		"SELECT * FROM reporting.similar_items('nobody ever bought it', measure => 'Lift')":         wrong,
		"SELECT * FROM reporting.explain('bread', 'nobody ever bought it', build => 99)":            wrong,
		"SELECT * FROM reporting.similar_items('bread', measure => NULL)":                           wrong,
		"SELECT * FROM reporting.basket_recommendations(ARRAY['bread'], measure => 'pmi')":          wrong,
		"SELECT * FROM reporting.similar_items('bread', build => 99)":                               wrong,
		"SELECT * FROM reporting.similar_items('bread', -1)":                                        wrong,
		"SELECT * FROM reporting.similar_items('bread', min_support => -1)":                         wrong,
		"SELECT * FROM reporting.similar_items('bread', min_confidence => 'NaN')":                   wrong,
		"SELECT * FROM reporting.basket_recommendations(ARRAY['bread'], min_confidence => NULL)":    wrong,
		"SELECT * FROM reporting.recent_popular_items(0)":                                           wrong,
		"SELECT * FROM reporting.explain('bread', 'jam', build => 99)":                              wrong,
		"SELECT * FROM reporting.basket_recommendations(ARRAY['tea'], measure => '')":               wrong,
		"SELECT * FROM find_context(0)":                                                             refused,
		"SELECT * FROM rank((SELECT b FROM builds b), basket_question('affinity', true, 5), " +
			"seeds_of(1, '{1}'), '{}', NULL, 5)": refused,
		"SELECT rules_in_force('{}')":                                            refused,
		"SELECT * FROM explain_items('bread', 'butter', 0)":                      refused,
		"SELECT * FROM reporting.similar_items('bread'), public.item_attributes": refused,
		"CREATE TABLE reporting.t (i int)":                                       refused,
		"CREATE FUNCTION reporting.f() RETURNS int LANGUAGE sql RETURN 1":        refused,
		"SELECT setval('builds_build_id_seq', 1)":                                refused,
		"SELECT * FROM reporting.similar_items('bread'), public.items":           refused,
	} {
		if code := tried(sql); code != want {
			t.Errorf("%s: %q, want %q", sql, code, want)
		}
	}
}

// A caller's search_path and temporary tables do not affect what SECURITY DEFINER functions read.
func TestReportingIsNotFooled(t *testing.T) {
	t.Parallel()
	s := bread(t)
	tx := s.reporter(t)
	want := reported(t, tx, reportedColumns+"reporting.similar_items('bread')")
	for _, sql := range []string{
		"CREATE TEMPORARY TABLE items AS SELECT 1::bigint AS item_id, 'bread'::text AS name",
		"CREATE TEMPORARY TABLE builds (build_id bigint)",
		"SET LOCAL search_path = pg_temp, reporting",
	} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, reported(t, tx, reportedColumns+"reporting.similar_items('bread')")); diff != "" ||
		len(want) == 0 {
		t.Errorf("%d rows (-want +got):\n%s", len(want), diff)
	}
}
