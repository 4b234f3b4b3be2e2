package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// contract is an OpenAPI document to check responses against.
type contract struct {
	model     *v3.Document
	validator validator.Validator
	schemas   schema_validation.SchemaValidator
}

var (
	contractsMu sync.Mutex
	contracts   = map[string]*contract{} // by document: there are few, and parsing one is slow
)

func contractOf(t testing.TB, document []byte) *contract {
	t.Helper()
	contractsMu.Lock()
	defer contractsMu.Unlock()
	if c := contracts[string(document)]; c != nil {
		return c
	}
	parsed, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	model, err := parsed.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	options := []config.Option{config.WithFormatAssertions(), config.WithContentAssertions(), config.WithoutSecurityValidation()}
	v, errs := validator.NewValidator(parsed, options...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if _, wrong := v.ValidateDocument(); len(wrong) > 0 {
		t.Fatalf("the document is not OpenAPI:%s", list(wrong))
	}
	c := &contract{&model.Model, v, schema_validation.NewSchemaValidator(options...)}
	contracts[string(document)] = c
	return c
}

func list(wrong []*validation.ValidationError) string {
	var b strings.Builder
	for _, e := range wrong {
		fmt.Fprintf(&b, "\n\t%s: %s", e.Message, e.Reason)
		for _, s := range e.SchemaValidationErrors {
			fmt.Fprintf(&b, "\n\t\t%s: %s", s.FieldPath, s.Reason)
		}
	}
	return b.String()
}

// fits returns how a JSON value violates a schema, or "".
func (c *contract) fits(schema *base.SchemaProxy, value []byte) string {
	if schema == nil {
		return "no schema"
	}
	_, wrong := c.schemas.ValidateSchemaBytes(schema.Schema(), value)
	return list(wrong)
}

// given is one response, documented or received.
type given struct {
	operation, status string
	what              string // a media type, a header, or "" for the status itself
}

func (g given) String() string { return strings.TrimSpace(g.operation + " " + g.status + " " + g.what) }

// ofTransport are headers with no meaning of ours: those of HTTP itself, browser policies and CORS.
var ofTransport = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Date": true, "Connection": true, "Vary": true,
	"X-Content-Type-Options": true, "X-Frame-Options": true, "Referrer-Policy": true, "Content-Security-Policy": true,
}

// checking is a transport that checks each response against the server's OpenAPI document and records it.
type checking struct {
	http.RoundTripper

	t        testing.TB
	api      *API
	contract *contract

	mu   sync.Mutex
	seen map[given]bool
}

func newChecking(t testing.TB, api *API, transport http.RoundTripper) *checking {
	t.Helper()
	return &checking{RoundTripper: transport, t: t, api: api, contract: contractOf(t, api.document), seen: map[given]bool{}}
}

// CloseIdleConnections is called when the server closes.
func (c *checking) CloseIdleConnections() {
	c.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// RoundTrip fails the test if the response does not match the document.
func (c *checking) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(r.Context())
	if r.GetBody != nil {
		sent.Body, _ = r.GetBody() // reads from memory
	}
	response, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	for _, wrong := range c.check(sent, response, body) {
		c.t.Errorf("%s %s: %d %s: %s", r.Method, r.URL, response.StatusCode, response.Header.Get("Content-Type"), wrong)
	}
	return response, nil
}

// route returns the pattern that the router matches, "" if none.
func (c *checking) route(r *http.Request) (route string) {
	r = r.Clone(context.WithValue(r.Context(), chi.RouteCtxKey, &chi.Context{RouteMethod: r.Method}))
	routable(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		found := chi.NewRouteContext()
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		if method := chi.RouteContext(r.Context()).RouteMethod; c.api.router.Match(found, method, path) {
			route = strings.Join(found.RoutePatterns, "") // RoutePattern strips a trailing slash
		}
	})).ServeHTTP(nil, r)
	return route
}

func (c *checking) check(r *http.Request, response *http.Response, body []byte) (wrong []string) {
	route := c.route(r)
	switch {
	case strings.HasPrefix(route, "/docs/"), r.Method == http.MethodOptions:
		return nil // static files, and OPTIONS
	case route == "":
		if s := response.StatusCode; s != http.StatusNotFound && s != http.StatusMethodNotAllowed && s != http.StatusTooManyRequests {
			wrong = append(wrong, "nothing is routed there")
		}
		model, _ := c.contract.model.Components.Schemas.Get("ErrorModel")
		return append(wrong, notEmpty(c.contract.fits(model, body))...)
	}
	item := c.contract.model.Paths.PathItems.GetOrZero(route)
	if item == nil {
		return []string{"the route " + route + " is not documented"}
	}
	method := strings.ToLower(r.Method)
	if r.Method == http.MethodHead {
		method = "get"
	}
	op := item.GetOperations().GetOrZero(method)
	status := strconv.Itoa(response.StatusCode)
	documented := op.Responses.Codes.GetOrZero(status)
	if documented == nil {
		return []string{"the status is not documented"}
	}
	wrong = append(wrong, c.note(op.OperationId, status, response, documented)...)
	if r.Method == http.MethodHead {
		return wrong
	}
	if orderedmap.Len(documented.Content) == 0 && (len(body) > 0 || response.Header.Get("Content-Type") != "") {
		wrong = append(wrong, "no body is documented")
	}
	checked := *response
	checked.Body = io.NopCloser(bytes.NewReader(body))
	_, errs := c.contract.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(r, &checked, item, route)
	wrong = append(wrong, notEmpty(list(errs))...)
	if response.StatusCode < 300 && op.RequestBody != nil {
		for _, text := range c.checkBody(r, item, route) {
			wrong = append(wrong, "the body is not one of the document, and was taken: "+text)
		}
	}
	return wrong
}

// checkBody checks an accepted request body against the document.
func (c *checking) checkBody(r *http.Request, item *v3.PathItem, route string) []string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return []string{err.Error()}
	}
	if bytes.Contains(body, []byte(":null")) {
		return nil // null means absent, which the document does not say
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json") // the default
	}
	_, errs := c.contract.validator.GetRequestBodyValidator().ValidateRequestBodyWithPathItem(r, item, route)
	return notEmpty(list(errs))
}

// note records the response and returns its undocumented headers.
func (c *checking) note(operation, status string, response *http.Response, documented *v3.Response) (wrong []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[given{operation, status, ""}] = true
	mediaType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	if mediaType != "" {
		c.seen[given{operation, status, mediaType}] = true
	}
	names := map[string]string{}
	for name := range documented.Headers.KeysFromOldest() {
		names[http.CanonicalHeaderKey(name)] = name
	}
	for name := range response.Header {
		switch {
		case names[name] != "":
			c.seen[given{operation, status, names[name]}] = true
		case !ofTransport[name] && !strings.HasPrefix(name, "Access-Control-"):
			wrong = append(wrong, "the header "+name+" is not documented")
		}
	}
	return wrong
}

func notEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// all returns all documented responses.
func (c *contract) all() map[given]bool {
	all := map[given]bool{}
	c.each(func(op *v3.Operation, status string, response *v3.Response) {
		all[given{op.OperationId, status, ""}] = true
		for mediaType := range response.Content.KeysFromOldest() {
			all[given{op.OperationId, status, mediaType}] = true
		}
		for name := range response.Headers.KeysFromOldest() {
			all[given{op.OperationId, status, name}] = true
		}
	})
	return all
}

func (c *contract) each(visit func(op *v3.Operation, status string, response *v3.Response)) {
	for _, item := range c.model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			for status, response := range op.Responses.Codes.FromOldest() {
				visit(op, status, response)
			}
		}
	}
}

// Each JSON response and body has an example that fits its schema.
func TestExamplesFit(t *testing.T) {
	t.Parallel()
	c := contractOf(t, Document("test"))
	check := func(where string, content *v3.MediaType) {
		if content.Example == nil {
			t.Errorf("%s has no example", where)
			return
		}
		var example any
		if err := content.Example.Decode(&example); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := c.fits(content.Schema, text); wrong != "" {
			t.Errorf("the example of %s: %s", where, wrong)
		}
	}
	examples, visited := 0, map[string]bool{}
	c.each(func(op *v3.Operation, status string, response *v3.Response) {
		if response.Description == "" {
			t.Errorf("%s %s has no description", op.OperationId, status)
		}
		for mediaType, content := range response.Content.FromOldest() {
			if strings.HasSuffix(mediaType, "json") && op.OperationId != "openapi" {
				check(op.OperationId+" "+status+" "+mediaType, content)
				examples++
			}
		}
		if visited[op.OperationId] {
			return
		}
		visited[op.OperationId] = true
		if op.RequestBody != nil {
			check("the body of "+op.OperationId, op.RequestBody.Content.GetOrZero("application/json"))
		}
		for _, p := range op.Parameters {
			for _, example := range p.Schema.Schema().Examples {
				var value any
				if err := example.Decode(&value); err != nil {
					t.Fatal(err)
				}
				text, _ := json.Marshal(value) // decoded from JSON, so it encodes
				if wrong := c.fits(p.Schema, text); wrong != "" {
					t.Errorf("the example of %s of %s: %s", p.Name, op.OperationId, wrong)
				}
			}
		}
	})
	if examples < 100 {
		t.Errorf("only %d examples", examples)
	}
}

// missing lists documented responses that were not received.
func (c *contract) missing(seen map[given]bool) []string {
	var missing []string
	for _, g := range slices.SortedFunc(maps.Keys(c.all()), func(a, b given) int { return strings.Compare(a.String(), b.String()) }) {
		if !seen[g] {
			missing = append(missing, g.String())
		}
	}
	return missing
}
