package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestMCP checks that a client which starts the program gets the same answers as on the command line, and ends it by
// closing its stdin.
func TestMCP(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	want(t, url, strings.NewReader("order_id,item_name\n1,a\n1,b\n2,a\n2,<b> & c\n"), "load", "-")
	program := command(t, url, "mcp")
	var stderr bytes.Buffer
	program.Stderr = &stderr
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(),
		&mcp.CommandTransport{Command: program}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for tool, arguments := range map[string]map[string]any{"similar": {"item": "a"}, "popular": nil} {
		result, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		args := []string{tool, "--json"}
		if item, given := arguments["item"]; given {
			args = append(args, item.(string))
		}
		if diff := cmp.Diff(want(t, url, nil, args...), result.Content[0].(*mcp.TextContent).Text+"\n"); result.IsError ||
			diff != "" {
			t.Errorf("%s (-command +tool):\n%s", tool, diff)
		}
	}
	if err := client.Close(); err != nil || program.ProcessState.ExitCode() != exitDone || stderr.Len() > 0 {
		t.Errorf("%v, %v: %s", err, program.ProcessState, stderr.String())
	}

	// A user who starts it by hand ends it with Ctrl-C.
	interrupted := command(t, url, "mcp")
	stdin, err := interrupted.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := begin(t, interrupted)
	if _, err := stdin.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n")); err != nil {
		t.Fatal(err)
	}
	if line := <-lines; !strings.Contains(line, `"id":1`) {
		t.Errorf("%q", line)
	}
	interrupt(t, interrupted, lines)
}
