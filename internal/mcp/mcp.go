// Package mcp lets language models query alsobought: it is a Model Context Protocol server with read-only tools.
//
// Answers come from package recommend and the audit tables, in the same JSON as the API and the command line, both as
// structured content and as text. The package ranks nothing and knows neither HTTP statuses nor terminals:
// Config.Around words all errors that are not about a call's arguments.
package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	strictjson "github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Config configures a server.
type Config struct {
	Database db.DBTX // a pool: tools are called concurrently
	Version  string  // reported to clients

	// Around wraps each call. It may limit the context it passes to call. The client sees its error, which must be one
	// line.
	Around func(ctx context.Context, call func(context.Context) error) error
}

const instructions = "Answers from the orders of one shop: what sells most, what is bought together with " +
	"an item or a basket, and why. " +
	"Item names must match the orders exactly; use popular to find them. " +
	"Every answer comes from one build, a count of the orders at one point in time."

// Serve serves one client until in ends, which is not an error, or ctx is done. It writes only protocol messages to
// out.
func Serve(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	err := newServer(cfg).Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(in), Writer: unclosed{out}})
	if err != nil {
		return fmt.Errorf("serve MCP: %w", err)
	}
	return nil
}

// unclosed keeps the transport from closing a writer.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }

// Handler serves stateless streamable HTTP, one message per request, so that any server may answer any request. The
// caller must authenticate clients and limit request bodies.
func Handler(cfg Config) http.Handler {
	server := newServer(cfg)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless:    true,
		JSONResponse: true,
		// The protection is for servers without authentication. It would refuse a proxy on the same machine.
		DisableLocalhostProtection: true,
	})
}

func newServer(cfg Config) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "alsobought", Version: cfg.Version}, &mcp.ServerOptions{
		Instructions: instructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}, // no logging; the list never changes
	})
	t := tools{recommend.New(cfg.Database), db.New(cfg.Database)}
	add(s, cfg, popularTool, t.popular)
	add(s, cfg, similarTool, t.similar)
	add(s, cfg, basketTool, t.basket)
	add(s, cfg, explainTool, t.explain)
	add(s, cfg, loadsTool, t.loads)
	add(s, cfg, buildsTool, t.builds)
	return s
}

// add adds a tool with arguments In and answer Out. The SDK does not check arguments against the schema, because its
// errors are hard to read: arguments and package recommend check them.
func add[In, Out any](s *mcp.Server, cfg Config, tool mcp.Tool, answer func(context.Context, In) (Out, error)) {
	tool.Annotations = &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: new(bool)}
	tool.InputSchema, tool.OutputSchema = inputSchema[In](), schemaOf[Out]()
	s.AddTool(&tool, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		in, err := arguments[In](r.Params.Arguments)
		var out Out
		if err == nil {
			err = cfg.Around(ctx, func(ctx context.Context) error {
				out, err = answer(ctx, in)
				return err
			})
		}
		if err != nil {
			failed := new(mcp.CallToolResult)
			failed.SetError(err)
			return failed, nil //nolint:nilerr // the error is the answer
		}
		text, err := encode(out)
		if err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{
			Content:           []mcp.Content{&mcp.TextContent{Text: string(text)}},
			StructuredContent: json.RawMessage(text),
		}, nil
	})
}

// arguments decodes the arguments of a call. Unknown and duplicate ones are errors.
func arguments[In any](given json.RawMessage) (in In, err error) {
	if len(given) == 0 {
		given = json.RawMessage("{}")
	}
	err = strictjson.Unmarshal(given, &in, strictjson.RejectUnknownMembers(true))
	if wrong := new(strictjson.SemanticError); errors.As(err, &wrong) {
		name := strings.TrimPrefix(string(wrong.JSONPointer), "/")
		switch {
		case errors.Is(err, strictjson.ErrUnknownName):
			return in, fmt.Errorf("unknown argument %.100q: see the input schema", name)
		case name == "":
			return in, errors.New("the arguments are not a JSON object: see the input schema")
		}
		return in, fmt.Errorf("argument %.100q has the wrong type: see the input schema", name)
	}
	if err != nil {
		return in, fmt.Errorf("invalid arguments: %w", err)
	}
	return in, nil
}

// encode encodes an answer like the API and the command line do.
func encode(answer any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// schemaOf returns the JSON schema of a type, and panics if it has none.
func schemaOf[T any]() *jsonschema.Schema {
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}, // any JSON
	})
	if err != nil {
		panic(err)
	}
	return schema
}
