package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/alsobought/alsobought/internal/apikey"
)

// keyed sends a key with each request, and another Host, as a proxy would.
type keyed struct {
	http.RoundTripper

	key string
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+k.key)
	r.Host = "shop.example"
	return k.RoundTripper.RoundTrip(r)
}

// TestTools: with a read key, the tools answer like the routes of questions.
func TestTools(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	key, _, err := apikey.Create(t.Context(), s.pool, "model", []string{apikey.Read}, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: s.URL + mcpPath, HTTPClient: &http.Client{Transport: keyed{s.Client().Transport, key}}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, c := range []struct {
		tool      string
		arguments map[string]any
		path      string // of the same question
	}{
		{"popular", nil, popularPath},
		{"similar", map[string]any{"item": "PID", "limit": 3}, similarPath + "/PID?limit=3"},
		{"explain", map[string]any{"item": "PID", "other": "Gloves"}, explainPath + "?item=PID&other=Gloves"},
	} {
		result, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: c.tool, Arguments: c.arguments})
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(string(s.get(t, c.path).body))
		if diff := cmp.Diff(want, result.Content[0].(*mcp.TextContent).Text); result.IsError || diff != "" {
			t.Errorf("%s (-route +tool):\n%s", c.tool, diff)
		}
	}
	for want, arguments := range map[string]map[string]any{
		`unknown item: "gold" is in no order of build 1`: {"item": "gold"},
		"limit is 101: choose 1 to 100":                  {"item": "PID", "limit": 101},
	} {
		result, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: "similar", Arguments: arguments})
		if err != nil || !result.IsError || result.Content[0].(*mcp.TextContent).Text != want {
			t.Errorf("%+v, %v, want %q", result, err, want)
		}
	}
	// Internal errors go to the log.
	if _, err := s.pool.Exec(t.Context(), "ALTER TABLE loads RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	result, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: "loads"})
	if err != nil || !result.IsError || strings.Contains(result.Content[0].(*mcp.TextContent).Text, "loads") {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestToolsRefused: requests without a read key, and bodies other than a single message, are refused.
func TestToolsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	writer, _, err := apikey.Create(t.Context(), s.pool, "writer", []string{apikey.Write}, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	good := mustCreateKey(t, s.pool, "good")
	const message = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, c := range []struct {
		name, method, key, body string
		want                    int
	}{
		{"writer", http.MethodPost, writer, message, http.StatusForbidden},
		{"several", http.MethodPost, good, " [" + message + "]", http.StatusBadRequest},
		{"no JSON", http.MethodPost, good, "{", http.StatusBadRequest},
		{"get", http.MethodGet, good, "", http.StatusMethodNotAllowed},
	} {
		header := withKey(c.key)
		header.Set("Accept", "application/json, text/event-stream")
		if a := s.do(t, c.method, mcpPath, c.body, header); a.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.want, a.body)
		}
	}
}

// TestToolPanics: a panic in a tool, outside the request's goroutine, ends only that call.
func TestToolPanics(t *testing.T) {
	t.Parallel()
	s := serveAPI(t, Config{})
	x := &requestState{id: "7"}
	ctx := context.WithValue(t.Context(), stateKey{}, x)
	err := s.api.aroundTool(ctx, func(context.Context) error { panic(errors.New("broken")) })
	if err == nil || !strings.Contains(err.Error(), "request id 7") || x.stack == nil {
		t.Errorf("%v, %+v", err, x)
	}
}

// protocolErrors provokes the protocol errors for which its newest version requires statuses.
func protocolErrors(t *testing.T, d *documented) {
	for status, message := range map[int]string{
		http.StatusNotFound:   `{"jsonrpc":"2.0","id":1,"method":"tools/buy","params":{%s}}`,
		http.StatusBadRequest: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"buy","arguments":{},%s}}`,
	} {
		const version = "2026-07-28"
		r := request{"mcp", http.MethodPost, mcpPath, fmt.Sprintf(message, `"_meta":{"io.modelcontextprotocol/protocolVersion":"`+version+
			`","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`), map[string]string{"Accept": mcpAccept}}
		_, method, _ := strings.Cut(r.body, `"method":"`)
		method, _, _ = strings.Cut(method, `"`)
		a := d.ask(t, r.with("", "", "Mcp-Protocol-Version", version).with("", "", "Mcp-Method", method).with("", "", "Mcp-Name", "buy"), d.reader)
		want(t, r, a, status)
		if !strings.Contains(string(a.body), `"jsonrpc"`) {
			t.Errorf("%s", a.body)
		}
	}
	plain := request{"mcp", http.MethodPost, mcpPath, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil}
	problemDetail(t, d.ask(t, plain, d.reader), http.StatusBadRequest)
}
