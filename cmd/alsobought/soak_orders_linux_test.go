package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestSoakOrders sends orders to two servers while one of them, PostgreSQL or its sessions are killed. Clients repeat
// an order, to either server, until it is acknowledged. Each order must then exist exactly once, as sent. Both servers
// rebuild, but never at the same time.
func TestSoakOrders(t *testing.T) {
	t.Parallel()
	rounds, seed := soakRange(t, 4)
	s := newSoak(t, seed)
	shop := newOrderSoak(s)
	blows := []func(){
		func() { shop.restart(s.rnd.IntN(len(shop.servers))) },
		func() { s.signal(s.postmaster()) },
		func() { s.signal(s.backend()) },
		s.cut,
	}
	for n := range rounds {
		if n%len(blows) == 0 {
			s.rnd.Shuffle(len(blows), func(i, j int) { blows[i], blows[j] = blows[j], blows[i] })
		}
		shop.round(n, blows[n%len(blows)])
		if t.Failed() {
			t.Fatalf("round %d of seed %d", n, seed)
		}
	}
	shop.wantRebuilt()
	s.run("doctor")
	t.Logf("%d orders in %d requests", shop.sent.Load(), shop.requests.Load())
}

// orderSoak sends orders to two servers of one database.
type orderSoak struct {
	*soak

	servers        [2]atomic.Pointer[api]
	key            string
	sent, requests atomic.Int64
}

func newOrderSoak(s *soak) *orderSoak {
	shop := &orderSoak{soak: s, key: strings.TrimSpace(want(s.t, s.url(), nil, "keys", "create", "shop"))}
	for i := range shop.servers {
		shop.start(i)
		s.t.Cleanup(func() { shop.servers[i].Load().kill() })
	}
	return shop
}

func (s *orderSoak) start(i int) {
	s.servers[i].Store(startAPI(s.t, s.url(), "--rebuild-after", "20", "--rebuild-every", "1s"))
}

func (s *orderSoak) restart(i int) {
	s.servers[i].Load().kill()
	s.start(i)
}

// round sends orders from several clients and injects a fault meanwhile.
func (s *orderSoak) round(n int, blow func()) {
	const clients, each = 4, 10
	var sending sync.WaitGroup
	var wanted []string
	for client := range clients {
		for i := range each {
			for item := range 3 {
				wanted = append(wanted, fmt.Sprintf("round %d %d %d | item %d | %d", n, client, i, item+i, item+1))
			}
		}
		sending.Go(func() {
			for i := range each {
				s.send(fmt.Sprintf("round %d %d %d", n, client, i), i)
			}
		})
	}
	moment := s.requests.Load() + s.rnd.Int64N(clients*each) // at least so many requests are needed
	dbtest.Eventually(s.t, "the random moment comes", func(context.Context) bool { return s.requests.Load() >= moment })
	blow()
	sending.Wait()

	got := s.texts(fmt.Sprintf(`SELECT concat_ws(' | ', o.external_id, i.name, l.quantity)
		FROM orders AS o JOIN order_lines AS l USING (order_id) JOIN items AS i USING (item_id)
		WHERE o.external_id LIKE 'round %d %%'`, n))
	slices.Sort(wanted)
	slices.Sort(got)
	if diff := cmp.Diff(wanted, got); diff != "" {
		s.t.Errorf("lines (-acknowledged +there):\n%s", diff)
	}
}

// send sends an order until it is acknowledged. Its timeout is short, so that a repeat may arrive while the first
// attempt is still in progress.
func (s *orderSoak) send(id string, first int) {
	body := fmt.Sprintf(`{"order_id":%q,"items":["item %d",
		{"name":"item %d","quantity":2},{"name":"item %d","quantity":3}]}`,
		id, first, first+1, first+2)
	s.sent.Add(1)
	try := first
	dbtest.Eventually(s.t, id+" is acknowledged", func(context.Context) bool {
		try++
		status, text, err := s.post(s.servers[try%len(s.servers)].Load().address, body, id)
		if err == nil && status >= http.StatusBadRequest && status < http.StatusInternalServerError {
			s.t.Errorf("%s: %d %s", id, status, text) // refused: repeating does not help
			return true
		}
		return status == http.StatusCreated || status == http.StatusOK
	})
}

func (s *orderSoak) post(address, body, id string) (status int, text string, err error) {
	s.requests.Add(1)
	ctx, stop := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	if strings.HasSuffix(id, "0") { // some clients have a long timeout
		stop()
		ctx, stop = context.WithTimeout(s.t.Context(), time.Minute)
	}
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/api/v1/orders", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	request.Header.Set("Content-Type", "application/json")
	if len(id)%2 == 0 {
		request.Header.Set("Idempotency-Key", id)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// wantRebuilt waits until every order is counted, and checks that no two builds ran at the same time. It builds itself:
// servers wait for ten minutes if the last build was killed between its end and its activation.
func (s *orderSoak) wantRebuilt() {
	s.run("build")
	s.eventually("every order is counted", func(ctx context.Context, conn *pgx.Conn) (counted bool, err error) {
		err = conn.QueryRow(ctx,
			`SELECT b.orders = (SELECT count(*) FROM orders) FROM builds AS b WHERE b.active`).Scan(&counted)
		return counted, err
	})
	if twice := s.texts(`SELECT concat_ws(' and ', b.build_id, other.build_id) FROM builds AS b
		JOIN builds AS other ON other.build_id > b.build_id
		AND other.started_at < b.built_at`); len(twice) > 0 {
		s.t.Errorf("builds that ran at the same time: %q", twice)
	}
}
