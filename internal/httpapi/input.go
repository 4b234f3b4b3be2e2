package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/alsobought/alsobought/internal/recommend"
)

func init() { //nolint:gochecknoinits // huma has no other place for these
	huma.ValidateStrictCasing = true  // or {"ITEMS": ...} would be items
	huma.DefaultArrayNullable = false // or the document would say that lists may be null
}

// Options are shared by all questions about items: query parameters of a GET, fields of a body. (Exported because huma
// ignores unexported embedded types.) In a query, exclude is repeatable and never split, because names contain commas.
//
//nolint:lll // tags cannot be broken
type Options struct {
	Measure       recommend.Measure `query:"measure" json:"measure,omitempty" enum:"affinity,count,confidence,cosine,jaccard,lift" default:"affinity" doc:"Measure to rank pairs by."`
	MinSupport    int64             `query:"min_support" json:"min_support,omitempty" minimum:"0" default:"0" doc:"Minimum number of orders with both items."`
	MinConfidence float64           `query:"min_confidence" json:"min_confidence,omitempty" minimum:"0" maximum:"1" default:"0" doc:"Minimum confidence of a pair."`
	Exclude       []string          `query:"exclude,explode" json:"exclude,omitempty" maxItems:"100" doc:"Names of items not to recommend."`
	Category      []string          `query:"category,explode" json:"category,omitempty" maxItems:"100" doc:"Recommend only items in these catalogue categories."`
	Strict        bool              `query:"strict" json:"strict,omitempty" default:"false" doc:"Leave places empty instead of filling them with popular items."`
	BuildID       int64             `query:"build_id" json:"build_id,omitempty" minimum:"1" doc:"Use this kept build instead of the active one."`
}

func (o *Options) with(limit int) recommend.Options {
	return recommend.Options{
		Limit:         limit,
		Measure:       o.Measure,
		MinSupport:    o.MinSupport,
		MinConfidence: o.MinConfidence,
		Exclude:       o.Exclude,
		Categories:    o.Category,
		Strict:        o.Strict,
		BuildID:       o.BuildID,
	}
}

// strictQuery makes an operation refuse query parameters that are unknown, empty or repeated, which huma ignores.
type strictQuery struct{}

// Resolve is part of huma's validation.
func (strictQuery) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: "cannot be read: " + err.Error()}}
	}
	known := map[string]*huma.Schema{}
	for _, p := range ctx.Operation().Parameters {
		if p.In == "query" {
			known[p.Name] = p.Schema
		}
	}
	var errs []error
	for name, given := range values {
		var message string
		switch schema := known[name]; {
		case schema == nil:
			message = "unknown query parameter" + orOneOf(known)
		case slices.Contains(given, ""):
			message = "has no value"
		case len(given) > 1 && schema.Type != huma.TypeArray:
			message = "given more than once"
		default:
			continue
		}
		errs = append(errs, &huma.ErrorDetail{Location: "query." + name, Message: message})
	}
	return errs
}

// isNoText reports whether PostgreSQL cannot store s.
func isNoText(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }

// noText is the problem of a parameter that isNoText.
func noText(location string) error {
	p := newProblem(http.StatusUnprocessableEntity, "")
	p.Errors = []*huma.ErrorDetail{{Location: location, Message: "is not valid text: send UTF-8 without NUL"}}
	return p
}

func orOneOf(known map[string]*huma.Schema) string {
	if len(known) == 0 {
		return ": there are none here"
	}
	return ": choose from " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// readBody reads a body of up to most bytes before huma sees it, to tell apart what can go wrong on the way. It must
// be JSON unless anyType.
func (a *API) readBody(most int64, anyType bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humachi.Unwrap(ctx)
		var p *huma.ErrorModel
		if !anyType {
			p = checkType(r)
		}
		var body []byte
		if p == nil {
			body, p = a.receive(w, r, most)
		}
		if p == nil && !anyType {
			p = strict(body)
		}
		if p != nil {
			a.writeErr(ctx, p)
			return
		}
		next(ctx)
	}
}

// checkType refuses bodies of a content type other than JSON.
func checkType(r *http.Request) *huma.ErrorModel {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	mediaType, parameters, err := mime.ParseMediaType(given)
	charset := parameters["charset"]
	if err != nil || mediaType != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return newProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("the content type is %q: send application/json", given))
	}
	r.Header.Set("Content-Type", mediaType) // the only spelling huma knows
	return nil
}

// receive reads the body and replaces it with the bytes read, or returns a problem.
func (a *API) receive(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *huma.ErrorModel) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, newProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("the content encoding is %q: send the body uncompressed", encoding))
	}
	// Fails only if the writer is not a connection. huma resets the deadline: see BodyReadTimeout.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(min(bodyTimeout, a.Timeout)))
	var body []byte
	var err error
	receiving(r.Context(), func() { body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, most)) })
	tooLarge := new(http.MaxBytesError)
	switch {
	case err == nil:
		r.Body = io.NopCloser(bytes.NewReader(body))
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", most))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, newProblem(http.StatusRequestTimeout, "the body took too long to arrive")
	default:
		return nil, newProblem(http.StatusBadRequest, "the body ended early")
	}
}
