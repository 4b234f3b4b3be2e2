package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // docs.html and docs.js
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/negotiation"
	"github.com/swaggest/swgui/v5emb"
)

var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.js
	docsJS string
)

// docsFiles are the files that the documentation page loads.
var docsFiles = []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"}

// docsPolicy is the content security policy of the documentation page. Swagger UI needs inline styles.
const docsPolicy = "default-src 'none'; script-src 'self' {script}; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
	"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is a self-contained page and the content security policy that allows only its own content.
type page struct {
	html   []byte
	policy string
}

// newPage renders the page. In policy, {script} stands for the hash of the inline script.
func newPage(html, js, policy string) page {
	var buffer bytes.Buffer
	script := map[string]any{"Script": template.JS(js)} //nolint:gosec // ours
	if err := template.Must(template.New("page").Parse(html)).Execute(&buffer, script); err != nil {
		panic(err) // the embedded files are invalid
	}
	return page{buffer.Bytes(), strings.ReplaceAll(policy, "{script}", digest(js))}
}

// digest returns the source of an inline script for a content security policy.
func digest(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p page) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	_, _ = w.Write(p.html) // fails only if the client disconnected
}

type (
	rootOutput struct {
		Vary string `header:"Vary" hidden:"true"`
		Body rootBody
	}
	rootBody struct {
		Message string `json:"message"`
		Version string `json:"version" doc:"Version of alsobought."`
		Docs    string `json:"docs" doc:"Path of the API documentation."`
	}
)

// pages adds the pages and the document. All other operations must be registered before.
func (a *API) pages() {
	a.front()
	a.widget()
	for path, what := range map[string]string{"/docs": "API documentation for browsers", "/openapi.json": "The OpenAPI document"} {
		mediaType := map[string]string{"/docs": "text/html", "/openapi.json": "application/json"}[path]
		a.routes.OpenAPI().AddOperation(&huma.Operation{
			OperationID: strings.Trim(strings.TrimSuffix(path, ".json"), "/"),
			Method:      http.MethodGet,
			Path:        path,
			Summary:     what,
			Tags:        []string{"pages"},
			Responses:   map[string]*huma.Response{"200": {Description: what + ".", Content: map[string]*huma.MediaType{mediaType: {}}}},
		})
	}
	a.finishDocument()
	document, err := json.Marshal(a.routes.OpenAPI())
	if err != nil {
		panic(err) // an example or a default is invalid
	}
	a.document = document
	a.router.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(a.document) // fails only if the client disconnected
	})

	docs := newPage(docsHTML, docsJS, docsPolicy)
	a.router.Get("/docs", func(w http.ResponseWriter, _ *http.Request) { docs.write(w) })
	files := v5emb.New("", "", "/docs")
	for _, name := range docsFiles {
		a.router.Method(http.MethodGet, "/docs/"+name, files)
	}
}

func (a *API) front() {
	page := func(ctx huma.Context, next func(huma.Context)) {
		if a.browserRoot == nil ||
			negotiation.SelectQValue(ctx.Header("Accept"), []string{"application/json", "text/html"}) != "text/html" {
			next(ctx)
			return
		}
		r, w := humachi.Unwrap(ctx)
		w.Header().Set("Vary", "Accept")
		a.browserRoot(w, r)
	}
	register(a, requirements{}, huma.Operation{
		OperationID: "root",
		Method:      http.MethodGet,
		Path:        "/",
		Summary:     "Get the service's name and version",
		Description: "The dashboard for browsers, JSON for others.",
		Tags:        []string{"pages"},
		Middlewares: huma.Middlewares{page},
		Responses: map[string]*huma.Response{"200": {
			Description: "Get the service's name and version.",
			Content:     map[string]*huma.MediaType{"application/json": {Example: example("root")}, "text/html": {}},
		}},
	}, func(context.Context, *noInput) (*rootOutput, error) {
		return &rootOutput{"Accept", rootBody{"alsobought: customers also bought", a.Version, "/docs"}}, nil
	})
}
