package recommend_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// SQL trims the same runes as Go and loads do.
func TestTrimmed(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var given, want []string
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if r < 0x3100 && !unicode.Is(unicode.Cs, r) || r > 0xFE00 && r < 0x10100 {
			name := string(r) + "a " + string(r) + "b" + string(r)
			given, want = append(given, name), append(want, strings.TrimSpace(name))
		}
	}
	var got []string
	const sql = "SELECT array_agg(trimmed(n) ORDER BY i) FROM unnest($1::text[]) WITH ORDINALITY AS u(n, i)"
	if err := pool.QueryRow(t.Context(), sql, given).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Go +SQL):\n%s", diff)
	}
}

// A name as written in a file finds the item loaded from it, everywhere.
func TestBlanksAroundNames(t *testing.T) {
	t.Parallel()
	s := bread(t)
	tx := s.reporter(t)
	around := func(names ...string) (list []string) {
		for _, name := range names {
			list = append(list, "\u3000 "+name+"\t\u00a0")
		}
		return list
	}
	same := func(what string, plain, blanks any, errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if diff := cmp.Diff(plain, blanks); diff != "" {
			t.Errorf("%s (-plain +blanks):\n%s", what, diff)
		}
	}
	plain, blanks := recommend.Options{Exclude: []string{"jam"}}, recommend.Options{Exclude: around("jam")}

	want, err := s.Ask(t.Context(), recommend.Similar("bread", plain))
	got, err2 := s.Ask(t.Context(), recommend.Similar(around("bread")[0], blanks))
	same("similar", want.Recommendations, got.Recommendations, err, err2)
	same("similar in SQL", want.Recommendations,
		reported(t, tx, reportedColumns+"reporting.similar_items($1, exclude => $2)", around("bread")[0], around("jam")))

	batch, err := s.AskEach(t.Context(), around("bread", "tea"), blanks)
	same("batch", want.Recommendations, batch.Answers[0].Recommendations, err)

	want, err = s.Ask(t.Context(), recommend.Basket([]string{"bread", "butter"}, plain))
	got, err2 = s.Ask(t.Context(), recommend.Basket(around("bread", "butter"), blanks))
	same("basket", want.Recommendations, got.Recommendations, err, err2)
	same("unknown items", []string(nil), got.Metadata.UnknownItems)
	same("basket in SQL", want.Recommendations,
		reported(t, tx, reportedColumns+"reporting.basket_recommendations($1, exclude => $2)",
			around("bread", "butter"), around("jam")))

	want, err = s.Ask(t.Context(), recommend.Popular(plain))
	got, err2 = s.Ask(t.Context(), recommend.Popular(blanks))
	same("popular", want, got, err, err2)

	want, err = s.Ask(t.Context(), recommend.Order("1", plain))
	got, err2 = s.Ask(t.Context(), recommend.Order(around("1")[0], blanks))
	same("order", want.Recommendations, got.Recommendations, err, err2)

	why, err := s.Explain(t.Context(), "bread", "butter", 0)
	why2, err2 := s.Explain(t.Context(), around("bread")[0], around("butter")[0], 0)
	same("explain", why.Reason, why2.Reason, err, err2)
	var reason string
	err = tx.QueryRow(t.Context(), "SELECT reason FROM reporting.explain($1, $2)", around("bread")[0],
		around("butter")[0]).Scan(&reason)
	same("explain in SQL", why.Reason, reason, err)
}
