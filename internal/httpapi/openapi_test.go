package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

// document is the part of an OpenAPI document that tests read.
type document struct {
	OpenAPI string
	Info    struct{ Title, Version, Description string }
	Paths   map[string]map[string]*operation

	Components struct {
		Schemas         map[string]*schema
		SecuritySchemes map[string]struct{ Type, Scheme, Description string }
	}
}

type operation struct {
	OperationID, Summary string
	Tags                 []string
	Security             []map[string][]string
	Parameters           []struct {
		Name, In, Description string
		Required, Explode     bool
		Schema                *schema
	}
	RequestBody struct{ Content map[string]content }
	Responses   map[string]struct {
		Description string
		Content     map[string]content
	}
}

type content struct{ Schema *schema }

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Format               string
	Properties           map[string]*schema
	Required             []string
	AdditionalProperties *bool
	Items                *schema
	Enum                 []any
	Default              any
	Minimum, Maximum     *float64
	MinItems, MaxItems   *int
	Description          string
}

func readDocument(t *testing.T, s *server) document {
	t.Helper()
	a := s.get(t, "/openapi.json")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", a.status, a.header.Get("Content-Type"))
	}
	var d document
	if err := json.Unmarshal(a.body, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// All routes are documented, and all documented paths are routed.
func TestDocumentHasEveryRoute(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := readDocument(t, s)
	documented, routed := map[string]bool{}, map[string]bool{}
	for path, operations := range d.Paths {
		for method := range operations {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	err := chi.Walk(s.api.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !strings.HasPrefix(route, "/docs/") { // files of the page
			routed[method+" "+route] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(routed)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("routed -, documented +:\n%s", diff)
	}
	if len(routed) < 13 {
		t.Errorf("only %d routes", len(routed))
	}
}

// Each operation has a description.
func TestDocumentIsWhole(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := readDocument(t, s)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Title == "" || d.Info.Version != "test" || d.Info.Description == "" {
		t.Errorf("%q %+v", d.OpenAPI, d.Info)
	}
	ids := map[string]string{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			if other, twice := ids[op.OperationID]; twice {
				t.Errorf("%s and %s are both %q", path, other, op.OperationID)
			}
			ids[op.OperationID] = path
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s: %q %q %v", method, path, op.OperationID, op.Summary, op.Tags)
			}
			for _, p := range op.Parameters {
				if p.Description == "" || p.Schema == nil || p.Schema.Type == "" || p.Required != (p.In == "path" || p.Name == "item" || p.Name == "other") {
					t.Errorf("%s %s: parameter %+v", method, path, p)
				}
			}
			for status, response := range op.Responses {
				for mediaType := range response.Content {
					ours := strings.HasPrefix(status, "2") || op.Tags[0] == "health" && status == "503" || op.Tags[0] == "mcp" && mediaType == "application/json"
					if problem := mediaType == problemType; problem == ours {
						t.Errorf("%s %s: %s is %s", method, path, status, mediaType)
					}
				}
			}
			if strings.HasPrefix(path, "/api/") {
				good := "200"
				if op.OperationID == "rules-add" || op.OperationID == "orders-add" {
					good = "201"
				}
				for _, status := range []string{good, "422", "429", "500", "503"} {
					if _, there := op.Responses[status]; !there {
						t.Errorf("%s %s: %s is not documented", method, path, status)
					}
				}
			}
		}
	}
}

// Operations that change something need a key, and the document says so. Questions are open.
func TestDocumentHasTheKeys(t *testing.T) {
	t.Parallel()
	d := readDocument(t, newServer(t))
	if s := d.Components.SecuritySchemes[keyScheme]; s.Type != "http" || s.Scheme != "bearer" || !strings.Contains(s.Description, "alsobought keys create") {
		t.Errorf("%+v", d.Components.SecuritySchemes)
	}
	for path, operations := range d.Paths {
		for method, op := range operations {
			open := op.Tags[0] == "questions" || op.Tags[0] == "health" || op.Tags[0] == "pages"
			want := []map[string][]string{{keyScheme: {}}}
			signed := op.Tags[0] == "webhooks" // with another secret
			if open || signed {
				want = nil
			}
			if diff := cmp.Diff(want, op.Security); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", method, path, diff)
			}
			if _, there := op.Responses["401"]; there == open {
				t.Errorf("%s %s: 401 is documented: %t", method, path, there)
			}
			if open && method != "get" && op.OperationID != "basket-recommendations" && op.OperationID != "similar-items-batch" {
				t.Errorf("%s %s is open to everybody", method, path)
			}
		}
	}
}

// The document's limits and defaults are those that packages recommend and rules enforce.
func TestDocumentHasTheBounds(t *testing.T) {
	t.Parallel()
	d := readDocument(t, newServer(t))
	fields := map[string]map[string]*schema{
		"body": d.Components.Schemas["BasketBody"].Properties, "batch": d.Components.Schemas["BatchBody"].Properties,
	}
	for path, operations := range d.Paths {
		for _, op := range operations {
			fields[path], fields[op.OperationID] = map[string]*schema{}, map[string]*schema{}
			for _, p := range op.Parameters {
				fields[path][p.Name], fields[op.OperationID][p.Name] = p.Schema, p.Schema
				if (p.Name == "exclude" || p.Name == "category") && !p.Explode {
					t.Errorf("%s: %s is not repeatable", path, p.Name)
				}
			}
		}
	}
	limits := map[string]int{
		popularPath: recommend.PopularLimit, similarPath: recommend.SimilarLimit, similarPath + "/{item_name}": recommend.SimilarLimit,
		"body": recommend.BasketLimit, "batch": recommend.SimilarLimit, orderPath + "/{order_id}": recommend.OrderLimit,
	}
	for where, limit := range limits {
		f := fields[where]
		if s := f["limit"]; *s.Minimum != 1 || *s.Maximum != recommend.MaxLimit || s.Default != float64(limit) {
			t.Errorf("%s: limit %+v", where, s)
		}
		if s := f["exclude"]; *s.MaxItems != recommend.MaxExclude {
			t.Errorf("%s: exclude %+v", where, s)
		}
		if s := f["category"]; *s.MaxItems != recommend.MaxCategory {
			t.Errorf("%s: category %+v", where, s)
		}
		if s := f["build_id"]; *s.Minimum != 1 || s.Default != nil {
			t.Errorf("%s: build_id %+v", where, s)
		}
		if where == popularPath {
			if s := f["days"]; *s.Minimum != 1 || *s.Maximum != recommend.MaxDays || s.Default != nil {
				t.Errorf("days %+v", s)
			}
			continue
		}
		var measures []any
		for _, m := range recommend.Measures() {
			measures = append(measures, string(m))
		}
		if s := f["measure"]; !cmp.Equal(s.Enum, measures) || s.Default != measures[0] {
			t.Errorf("%s: measure %+v", where, s)
		}
		if s := f["min_support"]; *s.Minimum != 0 || s.Default != 0.0 {
			t.Errorf("%s: min_support %+v", where, s)
		}
		if s := f["min_confidence"]; *s.Minimum != 0 || *s.Maximum != 1 || s.Default != 0.0 {
			t.Errorf("%s: min_confidence %+v", where, s)
		}
		if s := f["strict"]; s.Default != false {
			t.Errorf("%s: strict %+v", where, s)
		}
	}
	var kinds []any
	for _, k := range rules.Kinds() {
		kinds = append(kinds, string(k))
	}
	rule := d.Components.Schemas["RuleBody"].Properties
	if s := rule["kind"]; !cmp.Equal(s.Enum, kinds) {
		t.Errorf("kind %+v", s)
	}
	if s := rule["items"]; *s.MinItems != 1 || *s.MaxItems != rules.MaxItems {
		t.Errorf("items of a rule %+v", s)
	}
	if s := rule["reason"]; !strings.Contains(s.Description, fmt.Sprint(rules.MaxText)) {
		t.Errorf("reason %+v", s)
	}
	if s := fields["rules-list"]["limit"]; *s.Minimum != 1 || *s.Maximum != rules.MaxList || s.Default != float64(rules.ListLimit) {
		t.Errorf("limit of rules %+v", s)
	}
	if s := fields["batch"]["items"]; *s.MinItems != 1 || *s.MaxItems != recommend.MaxBatch {
		t.Errorf("items of a batch %+v", s)
	}
	if s := fields["body"]["items"]; *s.MinItems != 1 || *s.MaxItems != recommend.MaxBasket {
		t.Errorf("items %+v", s)
	}
}
