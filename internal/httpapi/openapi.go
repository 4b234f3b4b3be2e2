package httpapi

import (
	"bytes"
	"cmp"
	_ "embed" // examples.json
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/recommend"
)

//go:embed examples.json
var examplesJSON []byte

// about is the document's introduction.
const about = `Customers also bought: recommendations counted from the orders you have.

Every answer names the build that gave it, the counts behind each item, and where it comes from: ` + "`pair`" + ` shares orders with
what was asked, ` + "`popular`" + ` is there by popularity. Equal requests to one build give equal bytes. Errors are RFC 9457 problems; unknown
parameters and fields are errors. What changes something needs a key; questions need one unless the server opens them. Every answer carries
` + "`X-Request-Id`" + `, yours if you sent one.`

// encode writes v as JSON, like the command line does.
func encode(w io.Writer, v any) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Errorf("encode answer: %w", err)) // nothing is written yet, so this becomes a 500
	}
	_, _ = w.Write(buffer.Bytes()) // fails only if the client disconnected
}

// decode is called by huma twice: once into any for schema validation, once into the body. huma keeps only the error's
// text, so the field is in front of it, for polish to find.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	wrong := new(json.UnmarshalTypeError)
	if !errors.As(err, &wrong) {
		return err
	}
	if free, ok := v.(*any); ok { // a number is too large
		numbers := json.NewDecoder(bytes.NewReader(data))
		numbers.UseNumber()
		err := numbers.Decode(free)
		*free = floats(*free)
		return err
	}
	switch field := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]; {
	case field == "":
		return fmt.Errorf("the body cannot be %s", wrong.Value)
	case wrong.Type.Kind() == reflect.Int || wrong.Type.Kind() == reflect.Int64:
		// The schema accepts 5.0 as an integer, Go does not.
		return fmt.Errorf("body.%s: expected whole number in plain digits, at most %d", field, math.MaxInt64)
	default:
		return fmt.Errorf("body.%s: cannot be %s", field, wrong.Value)
	}
}

// floats replaces every number by a float64, infinite if it is too large. The schema then checks the bounds of each
// field.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(string(v), 64) // err means infinity
		return f
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	}
	return v
}

func documentConfig(version string) huma.Config {
	jsonFormat := huma.Format{
		Marshal:   func(w io.Writer, v any) error { encode(w, v); return nil },
		Unmarshal: decode,
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "alsobought",
				Version:     version,
				Description: about,
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Tags: []*huma.Tag{
				{Name: "questions", Description: "Recommendations and their evidence."},
				{Name: "rules", Description: "Manual changes to answers. Needs a key."},
				{Name: "mcp", Description: "Tools for language models. Needs a key."},
				{Name: "health", Description: "For orchestrators and monitors."},
				{Name: "pages", Description: "Pages for browsers."},
			},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{keyScheme: {Type: "http", Scheme: "bearer", Description: aboutKeys}},
			},
		},
		// huma looks up application/problem+json by its suffix.
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{polish},
	}
}

// answers sets what operations share that return an encoded answer. huma only sees its bytes.
func answers(routes huma.API, op huma.Operation) huma.Operation {
	op = question(op)
	schema := routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[recommend.Answer](), true, "")
	op.Responses["200"].Content["application/json"].Schema = schema
	return op
}

// question sets what the operations of questions share.
func question(op huma.Operation) huma.Operation {
	op.Method = cmp.Or(op.Method, http.MethodGet)
	op.Tags = []string{"questions"}
	op.Responses = map[string]*huma.Response{"200": jsonResponse("The answer.", op.OperationID)}
	return op
}

// managed sets what the operations that manage something share. status is that of success.
func managed(op huma.Operation, status int, tag string) huma.Operation {
	op.Tags = []string{tag}
	op.DefaultStatus = status
	op.Responses = map[string]*huma.Response{strconv.Itoa(status): jsonResponse("The answer.", op.OperationID)}
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	return op
}

// probing sets what health checks share. unavailable, if not "", describes a 503 with a body of type B.
func probing[B any](routes huma.API, op huma.Operation, unavailable string) huma.Operation {
	op.Method = http.MethodGet
	op.Tags = []string{"health"}
	op.Responses = map[string]*huma.Response{"200": jsonResponse("All is well.", op.OperationID)}
	if unavailable != "" {
		lost := jsonResponse(unavailable, op.OperationID+"-lost")
		lost.Content["application/json"].Schema = routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[B](), true, "")
		op.Responses["503"] = lost
	}
	return op
}

// jsonResponse leaves the schema to huma.
func jsonResponse(description, operationID string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{"application/json": {Example: example(operationID)}},
	}
}

// example returns an answer for the sample orders, or nil.
func example(operationID string) any {
	if one, found := examples()[strings.NewReplacer("-by-query", "", "-slash", "").Replace(operationID)]; found {
		return one
	}
	return nil
}

var examples = sync.OnceValue(func() map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(examplesJSON, &all); err != nil {
		panic(err) // the embedded file is invalid
	}
	return all
})
