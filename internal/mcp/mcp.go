// Package mcp lets language models ask: a server of the Model Context Protocol whose tools read, and change nothing.
//
// Every answer is what package recommend or the audit says, the same JSON as on the API and the command line, once as structured content and
// once as text. It never ranks, and knows neither HTTP statuses nor terminals: whoever serves it words the errors that are not of a question.
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

// Config of a server.
type Config struct {
	Database db.DBTX // a pool: tools may be called at the same time
	Version  string  // of the program, as clients are told

	// Around runs one call. It may bound the context that it gives to call, and its error is what the client reads: one line.
	Around func(ctx context.Context, call func(context.Context) error) error
}

const instructions = "Answers from the orders of one shop: what sells most, what is bought together with an item or a basket, and why. " +
	"Items are named exactly as in the orders; popular lists names that exist. Every answer is of one build, a count of the orders at one time."

// Serve answers one client on in and out until in ends, which is no error, or ctx does. Nothing but the protocol is written to out.
func Serve(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	err := newServer(cfg).Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(in), Writer: unclosed{out}})
	if err != nil {
		return fmt.Errorf("serve MCP: %w", err)
	}
	return nil
}

// unclosed is a writer that stays open: it is not ours.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }

// Handler answers clients over streamable HTTP, one message a request, without sessions: any server may answer any request. Who may ask, and
// with bodies of which size, is for those to see to who mount it.
func Handler(cfg Config) http.Handler {
	server := newServer(cfg)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless:    true,
		JSONResponse: true,
		// It is for servers without keys, and would refuse all that comes through a proxy on the same machine.
		DisableLocalhostProtection: true,
	})
}

func newServer(cfg Config) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "alsobought", Version: cfg.Version}, &mcp.ServerOptions{
		Instructions: instructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}, // no logging, and the list never changes
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

// add adds a tool whose arguments are an In and whose answer is an Out. The arguments are checked here and by package recommend instead of by
// their schema: its errors are not for readers.
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

// arguments reads the arguments of a call. Those that there are not, and those given twice, are errors.
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
		return in, fmt.Errorf("the arguments cannot be read: %w", err)
	}
	return in, nil
}

// encode writes an answer as the API and the command line do.
func encode(answer any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// schemaOf is the schema of a type of this program.
func schemaOf[T any]() *jsonschema.Schema {
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}, // any JSON
	})
	if err != nil {
		panic(err) // the type is wrong
	}
	return schema
}
