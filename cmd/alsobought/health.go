package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// healthCommand is the health check of the container image, which has no curl.
type healthCommand struct {
	Addr string `env:"ALSOBOUGHT_ADDR" default:"127.0.0.1:8000" placeholder:"HOST:PORT" help:"Address of the API (default ${default})."`
}

// Run makes one request. Its timeout is longer than the API's own timeout for its database.
func (c *healthCommand) Run(ctx context.Context, term *terminal) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Addr+"/health", http.NoBody)
	if err != nil {
		return usageError{err}
	}
	// Do not use the default client, which could send the request to a proxy from the environment.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		if cause := new(url.Error); errors.As(err, &cause) {
			err = cause.Err
		}
		return c.unreachable(err)
	}
	defer response.Body.Close() //nolint:errcheck // best-effort close
	const maxBody = 4096
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return c.unreachable(err)
	}
	status := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the API on %s answered %s: %s", c.Addr, response.Status, status)
	}
	fmt.Fprintln(term.stdout, status)
	return nil
}

// unreachable does not wrap err: message would take an error of the network for one of the database.
func (c *healthCommand) unreachable(err error) error {
	return fmt.Errorf("no API on %s: %s", c.Addr, err.Error())
}
