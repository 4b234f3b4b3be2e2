package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// Document returns the OpenAPI document, as JSON, of a server whose questions need no key.
func Document(version string) []byte {
	a := New(Config{Version: version})
	defer a.Close()
	return a.document
}

const problemType = "application/problem+json"

// headers are shared by the responses of many operations, by their name in the document.
var headers = map[string]*huma.Header{
	"RequestID":    {Required: true, Description: "Identifies the request in the log: your `X-Request-Id`, if you sent one.", Schema: text("")},
	"CacheControl": {Required: true, Description: "How clients and proxies may cache the response.", Schema: text("")},
	"RateLimit": {
		Description: "Remaining quota: requests (`r`) and seconds until the quota is full again (`t`). Missing if the server has no rate limit.",
		Schema:      text(`^"(address|key)";r=\d+;t=\d+$`),
	},
	"RateLimitPolicy": {
		Description: "The quota: `q` requests per `w` seconds.", Schema: text(`^"(address|key)";q=\d+;w=\d+$`),
	},
	"RetryAfter":   {Required: true, Description: "Seconds to wait before retrying.", Schema: text(`^[1-9]\d*$`)},
	"Authenticate": {Required: true, Description: "How to send a key, and which scope is missing.", Schema: text("^Bearer")},
}

// text returns the schema of a string that matches pattern, unless it is "".
func text(pattern string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Pattern: pattern} }

// problems describes the error statuses, with an example of the detail.
var problems = map[int]struct{ description, detail string }{
	http.StatusBadRequest:            {"The body is not valid JSON, ended early or is nested too deep.", "unexpected end of JSON input"},
	http.StatusUnauthorized:          {"The key is missing or invalid.", "this needs a key: send it as Authorization: Bearer KEY"},
	http.StatusForbidden:             {"The key lacks a required scope.", "this needs a key with scope write, and this key's scope is read"},
	http.StatusNotFound:              {"The item, order, build or rule does not exist.", `unknown item: "Sextant" is in no order of build 1`},
	http.StatusRequestTimeout:        {"The body took too long to arrive.", "the body took too long to arrive"},
	http.StatusRequestEntityTooLarge: {"The body is too large.", "the body is larger than 1048576 bytes"},
	http.StatusUnsupportedMediaType:  {"The body is not application/json, or is compressed.", `the content type is "text/csv": send application/json`},
	http.StatusUnprocessableEntity:   {"A parameter or field is invalid; `errors` lists all of them.", "limit: expected number <= 100"},
	http.StatusTooManyRequests:       {"Too many requests with this key or from this address.", tooMany("this address")},
	http.StatusInternalServerError:   {"Internal error; details are in the server's log.", internalError("V5XJ2WQGZ3PNRKTH7MDC4A6BEY").Detail},
	http.StatusServiceUnavailable:    {"Temporarily unavailable; the detail says why.", errAway.Error()},
}

// finishDocument documents what responses share: headers, rate limits, and problems with an example. All operations
// must be registered before.
func (a *API) finishDocument() {
	document := a.routes.OpenAPI()
	document.Components.Headers = headers
	for path, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op != nil {
				a.finishOperation(op, probeRoutes[path])
			}
		}
	}
}

func (a *API) finishOperation(op *huma.Operation, probe bool) {
	// huma adds it to operations without documented errors.
	delete(op.Responses, "default")
	if !probe {
		op.Responses[strconv.Itoa(http.StatusTooManyRequests)] = &huma.Response{Content: problemContent()}
	}
	if slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "If-None-Match" }) {
		op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{
			Description: "Not modified: the client has the current answer.", Headers: op.Responses["200"].Headers,
		}
	}
	if op.RequestBody != nil {
		body := op.RequestBody.Content["application/json"]
		body.Example = example(op.OperationID + "-body")
		if op.SkipValidateBody {
			body.Schema = &huma.Schema{Type: huma.TypeObject} // huma only sees bytes
		}
	}
	for code, response := range op.Responses {
		status, _ := strconv.Atoi(code) // numeric: we wrote it
		of := map[string]string{requestIDHeader: "RequestID"}
		if response.Headers["Cache-Control"] == nil {
			of["Cache-Control"] = "CacheControl"
		}
		if !probe {
			of["RateLimit"], of["RateLimit-Policy"] = "RateLimit", "RateLimitPolicy"
		}
		if content := response.Content[problemType]; content != nil {
			describeProblem(response, content, status)
			switch status {
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				of["Retry-After"] = "RetryAfter"
			case http.StatusUnauthorized, http.StatusForbidden:
				if op.Security != nil {
					of["WWW-Authenticate"] = "Authenticate"
				}
			}
		}
		response.Headers = withHeaders(response.Headers, of)
	}
}

func describeProblem(response *huma.Response, content *huma.MediaType, status int) {
	what := problems[status]
	if response.Description == "" || response.Description == http.StatusText(status) {
		response.Description = what.description
	}
	p := newProblem(status, what.detail)
	if status == http.StatusUnprocessableEntity {
		p.Errors = []*huma.ErrorDetail{{Location: "query.limit", Message: "expected number <= 100", Value: 101}}
	}
	example, err := json.Marshal(p)
	if err != nil {
		panic(err) // our own struct always encodes
	}
	content.Example = json.RawMessage(example)
}

// withHeaders returns a response's headers plus references to shared ones. It does not modify given, which responses
// may share.
func withHeaders(given map[string]*huma.Header, names map[string]string) map[string]*huma.Header {
	all := maps.Clone(given)
	if all == nil {
		all = map[string]*huma.Header{}
	}
	for name, header := range names {
		all[name] = &huma.Header{Ref: "#/components/headers/" + header}
	}
	return all
}

func problemContent() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}}
}
