package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// New returns a client of the server at a URL, such as http://127.0.0.1:8000. With every request it sends key, unless
// that is "". Without WithHTTPClient it uses an http.Client without a timeout: give contexts one.
//
// Errors: the URL cannot be read, or an option fails.
func New(server, key string, options ...ClientOption) (*ClientWithResponses, error) {
	c, err := NewClient(server, options...)
	if err != nil {
		return nil, err
	}
	c.Client = doer{c.Client}
	if key != "" {
		c.RequestEditors = append(c.RequestEditors, func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		})
	}
	return &ClientWithResponses{c}, nil
}

// Measure is what pairs are ranked by; the server's documentation says how each is computed.
type Measure string

// The measures. Affinity is the server's default.
const (
	Affinity   Measure = "affinity"
	Count      Measure = "count"
	Confidence Measure = "confidence"
	Cosine     Measure = "cosine"
	Jaccard    Measure = "jaccard"
	Lift       Measure = "lift"
)

// OrderItem is one item of an order. Without a quantity it is one; of a cancellation, all of them.
type OrderItem struct {
	Name     string  `json:"name"`
	Quantity float64 `json:"quantity,omitempty"`
}

// Error is an error response of the server: a problem as in RFC 9457.
type Error struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"` // what is wrong, for people
	Errors []struct {
		Location string `json:"location"` // of a field, such as body.items[1]
		Message  string `json:"message"`
		Value    any    `json:"value"`
	} `json:"errors"` // every field that is wrong, of a 422

	RequestID  string        `json:"-"` // by which the server's log has the request
	RetryAfter time.Duration `json:"-"` // when to try again; 0 if the server does not say
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Title, e.Detail) }

// doer makes errors of problems.
type doer struct{ HttpRequestDoer }

// maxProblem bounds what is read of a problem.
const maxProblem = 1 << 20

// Do is that of an http.Client.
func (d doer) Do(r *http.Request) (*http.Response, error) {
	response, err := d.HttpRequestDoer.Do(r)
	if err != nil {
		return nil, err
	}
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if mediaType != "application/problem+json" {
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	problem := &Error{RequestID: response.Header.Get("X-Request-ID")}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxProblem)).Decode(problem); err != nil {
		return nil, fmt.Errorf("%s that cannot be read: %w", response.Status, err)
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		problem.RetryAfter = time.Duration(seconds) * time.Second
	}
	return nil, problem
}
