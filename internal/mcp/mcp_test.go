package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const orders = "order_id,item_name,ordered_at\n1,bread,2026-01-01\n1,butter,2026-01-01\n" +
	"2,bread,2026-01-02\n2,butter,2026-01-02\n" +
	"2,jam <red> & co,2026-01-02\n3,tea,2026-01-03\n3,milk,2026-01-03\n4,bread,2026-01-04\n4,milk,2026-01-04\n"

// counted returns a database with orders and one build.
func counted(t *testing.T) *pg.Pool {
	t.Helper()
	pool := dbtest.New(t)
	source := load.Source{
		Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(orders)), nil },
	}
	if _, err := load.Run(t.Context(), pool, []load.Source{source},
		load.Options{LoadedBy: "tester", Version: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: builds.DefaultSettings(), BuiltBy: "tester",
		Version: "test",
	}); err != nil {
		t.Fatal(err)
	}
	return pool
}

// connect returns a client of an in-process server on the database.
func connect(t *testing.T, pool *pg.Pool) *mcp.ClientSession {
	t.Helper()
	server := newServer(Config{
		Database: pool, Version: "test",
		Around: func(ctx context.Context, call func(context.Context) error) error { return call(ctx) },
	})
	ours, theirs := mcp.NewInMemoryTransports()
	serving, err := server.Connect(t.Context(), ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(client.Close(), serving.Wait()); err != nil {
			t.Error(err)
		}
	})
	return client
}

// call returns an answer as text and as structured content.
func call(t *testing.T, client *mcp.ClientSession, tool, arguments string) (text string, structured any, failed bool) {
	t.Helper()
	params := &mcp.CallToolParams{Name: tool}
	if arguments != "" {
		params.Arguments = json.RawMessage(arguments)
	}
	result, err := client.CallTool(t.Context(), params)
	if err != nil {
		t.Fatalf("%s %s: %v", tool, arguments, err)
	}
	if len(result.Content) != 1 {
		t.Fatalf("%s %s: %d contents", tool, arguments, len(result.Content))
	}
	return result.Content[0].(*mcp.TextContent).Text, result.StructuredContent, result.IsError
}

// Each tool's answer is that of package recommend or the audit tables, byte for byte as text and equal as structured
// content, and matches the tool's schema.
func TestAnswers(t *testing.T) {
	t.Parallel()
	pool := counted(t)
	client := connect(t, pool)
	r, q := recommend.New(pool), db.New(pool)
	ask := func(question recommend.Question) any {
		answer, err := r.Ask(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	explanation, err := r.Explain(t.Context(), "bread", "butter", 1)
	if err != nil {
		t.Fatal(err)
	}
	loads, err := q.LoadList(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	builds, err := q.BuildList(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	outputs := outputSchemas(t, client)
	for _, c := range []struct {
		tool, arguments string
		want            any
	}{
		{"popular", ``, ask(recommend.Popular(recommend.Options{}))},
		{
			"popular", `{"limit":0,"days":0,"build_id":0,"exclude":[],"category":null}`,
			ask(recommend.Popular(recommend.Options{})),
		},
		{
			"popular", `{"days":2,"exclude":["bread"]}`,
			ask(recommend.Popular(recommend.Options{Days: 2, Exclude: []string{"bread"}})),
		},
		{"similar", `{"item":"bread"}`, ask(recommend.Similar("bread", recommend.Options{}))},
		{
			"similar",
			`{"item":"bread","limit":2,"measure":"lift","min_support":2,"min_confidence":0.5,"strict":true,"build_id":1}`,
			ask(recommend.Similar("bread", recommend.Options{
				Limit: 2, Measure: recommend.Lift, MinSupport: 2, MinConfidence: 0.5, Strict: true, BuildID: 1,
			})),
		},
		{"basket", `{"items":["bread","gold"]}`, ask(recommend.Basket([]string{"bread", "gold"}, recommend.Options{}))},
		{
			"basket", `{"items":["bread"],"category":["none"]}`,
			ask(recommend.Basket([]string{"bread"}, recommend.Options{Categories: []string{"none"}})),
		},
		{"explain", `{"item":"bread","other":"butter","build_id":1}`, explanation},
		{"loads", `{}`, map[string]any{"loads": loads}},
		{"builds", `{"limit":1}`, map[string]any{"builds": builds}},
	} {
		var want strings.Builder
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(c.want); err != nil {
			t.Fatal(err)
		}
		text, structured, failed := call(t, client, c.tool, c.arguments)
		if diff := cmp.Diff(strings.TrimSuffix(want.String(), "\n"), text); failed || diff != "" {
			t.Errorf("%s %s (-recommend +tool):\n%s", c.tool, c.arguments, diff)
		}
		var same any
		if err := json.Unmarshal([]byte(text), &same); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(same, structured); diff != "" {
			t.Errorf("%s %s (-text +structured):\n%s", c.tool, c.arguments, diff)
		}
		if err := outputs[c.tool].Validate(structured); err != nil {
			t.Errorf("%s %s: %v", c.tool, c.arguments, err)
		}
	}
}

// outputSchemas returns the output schemas that the server lists, by tool.
func outputSchemas(t *testing.T, client *mcp.ClientSession) map[string]*jsonschema.Resolved {
	t.Helper()
	list, err := client.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*jsonschema.Resolved{}
	for _, tool := range list.Tools {
		schemas[tool.Name] = resolved(t, tool.OutputSchema)
	}
	return schemas
}

func resolved(t *testing.T, seen any) *jsonschema.Resolved {
	t.Helper()
	text, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	schema := new(jsonschema.Schema)
	if err := json.Unmarshal(text, schema); err != nil {
		t.Fatal(err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Invalid calls return one-line tool errors that a model can act on, and the next call succeeds.
func TestWrongCalls(t *testing.T) {
	t.Parallel()
	client := connect(t, counted(t))
	for _, c := range []struct{ tool, arguments, says string }{
		{"similar", `{"item":"gold"}`, `unknown item: "gold" is in no order of build 1`},
		{"similar", `{"item":"bread","build_id":9}`, `unknown build: 9 is not kept; see alsobought builds list`},
		{"similar", `{}`, `item is missing: name an item`},
		{"similar", `{"item":"bread","limit":101}`, `limit is 101: choose 1 to 100`},
		{"similar", `{"item":"bread","limit":-1}`, `limit is -1: choose 1 to 100`},
		{"similar", `{"item":"bread","limit":"5"}`, `argument "limit" has the wrong type: see the input schema`},
		{"similar", `{"item":"bread","limt":5}`, `unknown argument "limt": see the input schema`},
		{
			"similar", `{"item":"bread","measure":"pmi"}`,
			`measure is "pmi": choose one of affinity, count, confidence, cosine, jaccard, lift`,
		},
		{"similar", `{"item":"bread","min_confidence":2}`, `min_confidence is 2: choose 0 to 1`},
		{"similar", `{"item":"bread","item":"tea"}`, `invalid arguments: jsontext: duplicate object member name "item"`},
		{"similar", `["bread"]`, `the arguments are not a JSON object: see the input schema`},
		{"popular", `{"days":366}`, `days is 366: choose 1 to 365`},
		{"basket", `{"items":[]}`, `items has 0 names: choose 1 to 100`},
		{"explain", `{"item":"bread","other":"gold"}`, `unknown item: "gold" is in no order of build 1`},
		{"explain", `{"item":"bread","other":"bread"}`, `other is the item itself: name another one`},
		{"explain", `{"item":"bread"}`, `other is missing: name an item`},
		{"loads", `{"limit":101}`, `limit is 101: choose 1 to 100`},
		{"builds", `{"limit":-1}`, `limit is -1: choose 1 to 100`},
	} {
		text, structured, failed := call(t, client, c.tool, c.arguments)
		if !failed || text != c.says || structured != nil {
			t.Errorf("%s %s: %q (an error: %v), want %q", c.tool, c.arguments, text, failed, c.says)
		}
	}
	if _, _, failed := call(t, client, "similar", `{"item":"bread"}`); failed {
		t.Error("no answer after the errors")
	}
}

func TestNoBuild(t *testing.T) {
	t.Parallel()
	client := connect(t, dbtest.New(t))
	text, _, failed := call(t, client, "popular", `{}`)
	if !failed || text != recommend.ErrNoBuild.Error() {
		t.Errorf("%q", text)
	}
	if text, _, _ := call(t, client, "loads", `{}`); text != `{"loads":[]}` {
		t.Errorf("%q", text)
	}
}

// Clients see six read-only tools with the limits of package recommend.
func TestTools(t *testing.T) {
	t.Parallel()
	list, err := connect(t, nil).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]*jsonschema.Resolved{}
	for _, tool := range list.Tools {
		if a := tool.Annotations; tool.Description == "" || !a.ReadOnlyHint || *a.OpenWorldHint {
			t.Errorf("%s: %q %+v", tool.Name, tool.Description, a)
		}
		inputs[tool.Name] = resolved(t, tool.InputSchema)
		for name, argument := range inputs[tool.Name].Schema().Properties {
			if argument.Description == "" {
				t.Errorf("%s: %s is not described", tool.Name, name)
			}
		}
	}
	if len(inputs) != 6 {
		t.Errorf("%d tools", len(inputs))
	}
	names := func(n int) (list []any) {
		for range n {
			list = append(list, "a")
		}
		return list
	}
	for _, c := range []struct {
		tool, argument string
		good, bad      any
	}{
		{"popular", "limit", recommend.MaxLimit, recommend.MaxLimit + 1},
		{"popular", "days", recommend.MaxDays, recommend.MaxDays + 1},
		{"popular", "exclude", names(recommend.MaxExclude), names(recommend.MaxExclude + 1)},
		{"popular", "category", names(recommend.MaxCategory), names(recommend.MaxCategory + 1)},
		{"popular", "build_id", 1, -1},
		{"similar", "measure", "jaccard", "pmi"},
		{"similar", "min_support", 0, -1},
		{"similar", "min_confidence", 1, 1.5},
		{"similar", "colour", nil, "red"},
		{"basket", "items", names(recommend.MaxBasket), names(recommend.MaxBasket + 1)},
		{"basket", "items", names(1), []any{}},
		{"explain", "other", "tea", nil},
		{"loads", "limit", maxList, maxList + 1},
		{"builds", "limit", 0, -1},
	} {
		for value, want := range map[*any]bool{&c.good: true, &c.bad: false} {
			given := map[string]any{}
			for _, required := range inputs[c.tool].Schema().Required {
				given[required] = "a"
				if required == "items" {
					given[required] = names(1)
				}
			}
			delete(given, c.argument)
			if *value != nil {
				given[c.argument] = *value
			}
			if err := inputs[c.tool].Validate(given); (err == nil) != want {
				t.Errorf("%s with %s %v: %v", c.tool, c.argument, *value, err)
			}
		}
	}
}
