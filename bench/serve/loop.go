package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// patience is how long one answer, and the start of a server, may take.
const patience = 30 * time.Second

// measured is what one loop saw.
type measured struct {
	perSecond  float64
	latencies  []time.Duration // sorted
	cpuSeconds float64         // of the server and its PostgreSQL; 0: not measured
}

func (m measured) percentile(p float64) time.Duration {
	rank := int(p / 100 * float64(len(m.latencies)))
	return m.latencies[min(rank, len(m.latencies)-1)]
}

// closedLoop has every connection ask again as soon as it is answered.
func closedLoop(ctx context.Context, address string, k kind, connections int, each time.Duration) (measured, error) {
	return loop(ctx, address, k, connections, each, func(int) time.Time { return time.Now() })
}

// openLoop asks at a rate: latencies count from when a question was due, though no connection was free to ask it then.
func openLoop(
	ctx context.Context, address string, k kind, connections int, each time.Duration, perSecond float64,
) (measured, error) {
	began := time.Now()
	return loop(ctx, address, k, connections, each, func(n int) time.Time { return due(began, n, perSecond) })
}

// due is when the nth question of an open loop is to be asked.
func due(began time.Time, n int, perSecond float64) time.Time {
	return began.Add(time.Duration(float64(n) / perSecond * float64(time.Second)))
}

func loop(
	ctx context.Context, address string, k kind, connections int, each time.Duration, when func(n int) time.Time,
) (measured, error) {
	began := time.Now()
	var mu sync.Mutex
	var all []time.Duration
	var errs []error
	var asking sync.WaitGroup
	for c := range connections {
		asking.Go(func() {
			latencies, err := connection(ctx, address, k, c, connections, began.Add(each), when)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, latencies...)
			errs = append(errs, err)
		})
	}
	asking.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return measured{}, err
	}
	if len(all) == 0 {
		return measured{}, errors.New("nothing was answered in time: choose a longer --each")
	}
	slices.Sort(all)
	return measured{perSecond: float64(len(all)) / took.Seconds(), latencies: all}, nil
}

// connection asks every so many questions, from the cth on, until the end.
func connection(
	ctx context.Context, address string, k kind, c, connections int, end time.Time, when func(n int) time.Time,
) (latencies []time.Duration, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	answers := bufio.NewReaderSize(conn, 64<<10)
	random := rand.New(rand.NewPCG(seed, uint64(c))) //nolint:gosec // the same questions every time
	for n := c; ctx.Err() == nil; n += connections {
		at := when(n)
		if at.After(end) {
			return latencies, nil
		}
		time.Sleep(time.Until(at))
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
		if _, err := conn.Write(k.next(random)); err != nil {
			return nil, err
		}
		if err := readAnswer(answers); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(at))
	}
	return nil, ctx.Err()
}

// readAnswer reads one response to its end and takes no more of it than that it is a good one: net/http's client would
// take a good part of the processors that are measured.
func readAnswer(from *bufio.Reader) error {
	status, err := from.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", bytes.TrimSpace(status))
	}
	length := -1
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("Content-Length %q", value)
			}
		}
	}
	if length < 0 {
		return readChunks(from)
	}
	_, err = from.Discard(length)
	return err
}

// readChunks reads a body whose length is not said before it.
func readChunks(from *bufio.Reader) error {
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("chunk of size %q", line)
		}
		if _, err := from.Discard(int(size) + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// waitFor returns when the server is ready.
func waitFor(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time: %w", errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
