package httpapi

import (
	"crypto/sha256"
	_ "embed" // widget.min.js
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

const widgetPath = "/widget.js"

// widgetJS is generated from widget.js by `make generate`.
//
//go:embed widget.min.js
var widgetJS []byte

// widgetCache lets browsers cache the widget for an hour before they revalidate.
const widgetCache = "public, max-age=3600"

// widget serves the web component that shows recommendations on other sites' pages.
func (a *API) widget() {
	sum := sha256.Sum256(widgetJS)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	a.routes.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "widget",
		Method:      http.MethodGet,
		Path:        widgetPath,
		Summary:     "Get the web component for shop pages",
		Description: "Defines `<also-bought item=\"...\">`, which shows what customers also bought.",
		Tags:        []string{"pages"},
		Parameters: []*huma.Param{{
			Name: "If-None-Match", In: "header", Description: "ETags the client has. The response is 304 if one of them is current.", Schema: text(""),
		}},
		Responses: map[string]*huma.Response{"200": {
			Description: "The script.",
			Content:     map[string]*huma.MediaType{"text/javascript": {}},
			Headers: map[string]*huma.Header{
				"ETag":                         {Required: true, Description: "Identifies the script's version.", Schema: text("")},
				"Cache-Control":                {Required: true, Description: "Allows caching for an hour.", Schema: text("")},
				"Cross-Origin-Resource-Policy": {Required: true, Description: "Pages of any origin may load it.", Schema: text("^cross-origin$")},
			},
		}},
	})
	a.router.Get(widgetPath, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("ETag", etag)
		h.Set("Cache-Control", widgetCache)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if condition := (Conditional{r.Header.Get("If-None-Match")}); condition.has(etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(widgetJS) // fails only if the client disconnected
	})
}
