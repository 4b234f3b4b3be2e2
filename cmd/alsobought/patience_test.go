package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// Requests about orders stop waiting for a lock long before their timeout, whether somebody locked a table or another
// load merges. They are told to come back, and succeed when the lock is free.
func TestOrdersAreImpatient(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	want(t, url, strings.NewReader(smallShop), "load", "-")
	key := strings.TrimSpace(want(t, url, nil, "keys", "create", "shop"))
	server := command(t, url, "serve", "--addr", "127.0.0.1:0", "--timeout", "50s", "--rebuild-after", "0", "--rebuild-every", "0s")
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := begin(t, server)
	givenUp := make(chan int)
	go func() {
		n := 0
		for log := bufio.NewScanner(stderr); log.Scan(); {
			if strings.Contains(log.Text(), "status=503") && strings.Contains(log.Text(), "due to lock timeout") {
				n++
			}
		}
		givenUp <- n
	}()
	_, rest, _ := strings.Cut(<-lines, "http://")
	address, _, _ := strings.Cut(rest, " ")
	base := "http://" + address + "/api/v1/orders"

	const order = `{"order_id":"11","items":["cups","NA"]}`
	for _, c := range []struct {
		lock, method, path, body string
		after                    int // status when the lock is free
	}{
		{"LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", http.MethodPost, "", order, http.StatusCreated},
		{"LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", http.MethodGet, "/11", "", http.StatusOK},
		{"LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", http.MethodDelete, "/11", "", http.StatusOK},
		{"merge", http.MethodPost, "", order, http.StatusCreated},
		{"merge", http.MethodDelete, "/11", "", http.StatusOK},
	} {
		whileLocked(t, url, c.lock, func() {
			if status, header := sent(t, c.method, base+c.path, c.body, key); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Errorf("%s%s behind %s: %d %v", c.method, c.path, c.lock, status, header)
			}
		})
		if status, _ := sent(t, c.method, base+c.path, c.body, key); status != c.after {
			t.Errorf("%s%s after %s: %d, want %d", c.method, c.path, c.lock, status, c.after)
		}
	}
	if loads := want(t, url, nil, "loads", "--each"); strings.Contains(loads, "failed") {
		t.Errorf("loads failed: %s", loads)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range lines {
	}
	if n := <-givenUp; n != 5 {
		t.Errorf("%d requests gave up because of a lock, want 5", n)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// whileLocked calls do while another session holds a lock: that of a merge, or one that a statement takes.
func whileLocked(t *testing.T, url, lock string, do func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if lock == "merge" {
			err = pg.LockTx(t.Context(), tx, pg.MergeLock, 0)
		} else {
			_, err = tx.Exec(t.Context(), lock)
		}
		do()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sent(t *testing.T, method, url, body, key string) (status int, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header
}
