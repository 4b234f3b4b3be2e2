package migrations_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

var update = flag.Bool("update", false, "write the contract of schema reporting into testdata")

// contractQuery lists every column of every view, and every parameter and column of every function, in order.
const contractQuery = `
SELECT concat_ws(' ', x.object, x.name, x.type) FROM (
	SELECT 'view ' || c.relname || ':' AS object, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
	a.attnum::bigint AS place
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0
	AND NOT a.attisdropped
	UNION ALL
	SELECT CASE WHEN u.mode = 't' THEN 'rows of ' ELSE 'function ' END || p.proname || ':', u.name,
	format_type(u.type, NULL) ||
		CASE WHEN u.mode = 'i' AND u.place > p.pronargs - p.pronargdefaults
			THEN ' DEFAULT ' || pg_get_function_arg_default(p.oid, u.place::integer) ELSE '' END, u.place
	FROM pg_proc AS p
	CROSS JOIN unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY AS u(name, type, mode, place)
	WHERE p.pronamespace = 'reporting'::regnamespace
) AS x ORDER BY x.object COLLATE "C", x.place`

// TestReportingContract: whatever users have built on schema reporting keeps working. Columns may be added at
// the end of a view, of a function's rows and of its parameters, the latter with a default; everything in the
// contract stays. New views and functions must be added to it.
func TestReportingContract(t *testing.T) {
	t.Parallel()
	const file = "testdata/reporting-contract.txt"
	got := texts(t, dbtest.New(t), contractQuery)
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	contract, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range breaches(strings.Split(strings.TrimSpace(string(contract)), "\n"), got) {
		t.Error(broken)
	}
}

// breaches lists where got breaks the contract.
func breaches(contract, got []string) []string {
	promised, there := byObject(contract), byObject(got)
	var broken []string
	for object, lines := range promised {
		for i, line := range lines {
			switch {
			case i >= len(there[object]):
				broken = append(broken, object+" has lost: "+line)
			case there[object][i] != line:
				broken = append(broken, object+" has "+there[object][i]+", promised is: "+line)
			}
		}
	}
	for object, lines := range there {
		if promised[object] == nil {
			broken = append(broken, object+" is new: go test ./migrations -run TestReportingContract -update")
			continue
		}
		for _, line := range lines[min(len(lines), len(promised[object])):] {
			if strings.HasPrefix(object, "function ") && !strings.Contains(line, " DEFAULT ") {
				broken = append(broken, object+" needs a default for: "+line)
			}
		}
	}
	slices.Sort(broken)
	return broken
}

func byObject(lines []string) map[string][]string {
	objects := map[string][]string{}
	for _, line := range lines {
		object, column, _ := strings.Cut(line, ": ")
		objects[object] = append(objects[object], column)
	}
	return objects
}

func TestBreaches(t *testing.T) {
	t.Parallel()
	contract := []string{"view v: a bigint", "view v: b text", "function f: x text", "rows of f: y bigint"}
	for name, c := range map[string]struct{ got, broken []string }{
		"the same": {contract, nil},
		"more at the end": {
			append([]string{
				"view v: a bigint", "view v: b text", "view v: c text", "function f: x text", "function f: z text DEFAULT ''::text",
			},
				"rows of f: y bigint", "rows of f: z bigint"),
			nil,
		},
		"a column gone": {slices.Delete(slices.Clone(contract), 1, 2), []string{"view v has lost: b text"}},
		"a view gone":   {contract[2:], []string{"view v has lost: a bigint", "view v has lost: b text"}},
		"another type": {
			append([]string{"view v: a integer"}, contract[1:]...), []string{"view v has a integer, promised is: a bigint"},
		},
		"another order": {
			append([]string{"view v: b text", "view v: a bigint"}, contract[2:]...), []string{
				"view v has a bigint, promised is: b text", "view v has b text, promised is: a bigint",
			},
		},
		"one more parameter": {
			append(slices.Clone(contract), "function f: z text"), []string{"function f needs a default for: z text"},
		},
		"a view without contract": {
			append(slices.Clone(contract), "view w: a bigint"), []string{
				"view w is new: go test ./migrations -run TestReportingContract -update",
			},
		},
	} {
		if diff := cmp.Diff(c.broken, breaches(contract, c.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
