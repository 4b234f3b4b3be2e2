package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/httpapi"
)

// withHTTP serves the API on a free port of this machine while do runs, logging as serve does, but to nowhere.
func withHTTP(ctx context.Context, pool *pgxpool.Pool, do func([]asker) error) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	// A DiscardHandler would spare the work that is measured.
	logger := slog.New(slog.NewTextHandler(io.Discard, nil)) //nolint:sloglint // see above
	handler := httpapi.New(httpapi.Config{Pool: pool, Version: by, Logger: logger})
	defer handler.Close()
	serveCtx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- handler.Serve(serveCtx, listener) }()

	transport := &http.Transport{MaxIdleConnsPerHost: 4 * runtime.GOMAXPROCS(0)}
	err = do(overHTTP("http://"+listener.Addr().String(), &http.Client{Transport: transport}))
	transport.CloseIdleConnections()
	stop()
	return errors.Join(err, <-served)
}

func overHTTP(base string, client *http.Client) []asker {
	const over = "HTTP"
	get := func(ctx context.Context, path string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		return answeredWell(client.Do(request))
	}
	return []asker{
		{"similar", over, func(ctx context.Context, basket []string) error {
			return get(ctx, "/api/v1/similar-items/"+url.PathEscape(basket[0]))
		}},
		{"basket", over, func(ctx context.Context, basket []string) error {
			body, err := json.Marshal(map[string]any{"items": basket})
			if err != nil {
				return err
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodPost,
				base+"/api/v1/basket-recommendations", bytes.NewReader(body))
			if err != nil {
				return err
			}
			request.Header.Set("Content-Type", "application/json")
			return answeredWell(client.Do(request))
		}},
		{"popular", over, func(ctx context.Context, _ []string) error { return get(ctx, "/api/v1/popular-items") }},
	}
}

// answeredWell reads the answer to its end, so that its connection is used again.
func answeredWell(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return nil
}
