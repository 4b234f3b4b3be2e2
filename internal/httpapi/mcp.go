package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/mcp"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

const mcpPath = "/mcp"

// mcpInput is one protocol message, which package mcp parses.
type mcpInput struct {
	RawBody []byte `contentType:"application/json"`
}

// tools mounts the tools for language models. They always need a key, because loads and builds show who created them.
func (a *API) tools() {
	server := mcp.Handler(mcp.Config{Database: pg.Chosen(a.reading), Version: a.Version, Around: a.aroundTool})
	op := huma.Operation{
		OperationID: "mcp",
		Method:      http.MethodPost,
		Path:        mcpPath,
		Summary:     "Call tools for language models",
		Description: "Accepts one message of the Model Context Protocol (streamable HTTP, without sessions). Tools are listed by `tools/list`.",
		Tags:        []string{"mcp"},
		Responses: map[string]*huma.Response{"200": {
			Description: "The response, a JSON-RPC message.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{}, Example: example("mcp")}},
		}, "202": {Description: "The message needs no response."}},
		SkipValidateBody: true,
	}
	register(a, requirements{scope: apikey.Read, body: a.MaxBody, slots: a.queries}, op,
		func(_ context.Context, in *mcpInput) (*huma.StreamResponse, error) {
			if bytes.HasPrefix(bytes.TrimSpace(in.RawBody), []byte("[")) {
				// A request takes one slot and counts once against its key's rate.
				return nil, newProblem(http.StatusBadRequest, "the body has several messages: send one a request")
			}
			return &huma.StreamResponse{Body: func(ctx huma.Context) {
				r, w := humachi.Unwrap(ctx)
				// The call has its own timeout and reports it. The request waits for that.
				r = r.WithContext(context.WithoutCancel(r.Context()))
				r.Body = io.NopCloser(bytes.NewReader(in.RawBody))
				server.ServeHTTP(&problemWriter{ResponseWriter: w}, r)
			}}, nil
		})
	// The protocol requires these statuses since version 2026-07-28.
	responses := a.routes.OpenAPI().Paths[mcpPath].Post.Responses
	responses["400"].Content["application/json"] = &huma.MediaType{Schema: &huma.Schema{}, Example: example("mcp-invalid")}
	responses["404"] = jsonResponse("Unknown method.", "mcp-unknown")
	responses["404"].Content["application/json"].Schema = &huma.Schema{}
}

// problemWriter turns the plain-text errors of the protocol's handler into problems.
type problemWriter struct {
	http.ResponseWriter

	status int // of a problem whose detail is yet to be written
}

// WriteHeader defers a plain-text error until its text is written.
func (w *problemWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *problemWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		return w.ResponseWriter.Write(p)
	}
	writeProblem(w.ResponseWriter, newProblem(w.status, strings.TrimSpace(string(p))))
	return len(p), nil
}

// aroundTool limits a call's time and words its errors like the routes of questions do. It runs outside the request's
// goroutine, so it must recover panics itself.
func (a *API) aroundTool(ctx context.Context, call func(context.Context) error) (err error) {
	x := stateOf(ctx)
	defer func() {
		if cause := recover(); cause != nil {
			x.err, x.stack = fmt.Errorf("panic: %v", cause), debug.Stack()
			err = internalError(x.id)
		}
	}()
	ctx, done := a.withDeadline(ctx, a.upstreams...)
	defer done()
	err = call(ctx)
	if err == nil {
		return nil
	}
	if _, invalid := errors.AsType[*recommend.InvalidError](err); invalid {
		return err
	}
	return problem(ctx, err, "")
}
