package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/orders"
)

// ordersServer takes orders, on a database with those of testdata.
func ordersServer(t *testing.T) (s *server, send func(method, path, body string) answer) {
	t.Helper()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "a"}, []string{"1", "b"}))
	s = serveAPI(t, Config{Pool: pool, Orders: orders.NewStore(pool, "test")})
	header := withKey(mustCreateKey(t, pool, "shop"))
	return s, func(method, path, body string) answer {
		t.Helper()
		return s.do(t, method, path, body, header)
	}
}

func wantReceipt(t *testing.T, a answer, status int, want ...orders.OrderReceipt) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if got := decodeBody[orders.Receipt](t, a); fmt.Sprint(got.Orders) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got.Orders, want)
	}
}

// TestOrders: orders are added, repeated, extended, read, asked about, and deleted.
func TestOrders(t *testing.T) {
	t.Parallel()
	s, send := ordersServer(t)
	const one = `{"order_id":"R/1 ü","items":["a",{"name":"c","quantity":2.5},"a"],"ordered_at":"2026-03-01T10:00:00+01:00","customer_id":"ann"}`
	wantReceipt(t, send(http.MethodPost, ordersPath, one), http.StatusCreated, orders.OrderReceipt{OrderID: "R/1 ü", Status: orders.Added, LinesAdded: 2})
	wantReceipt(t, send(http.MethodPost, ordersPath, one), http.StatusOK, orders.OrderReceipt{OrderID: "R/1 ü", Status: orders.Known})
	wantReceipt(t, send(http.MethodPost, ordersPath, `{"orders":[{"order_id":" 2 ","items":["a"]},{"order_id":"R/1 ü","items":["d","c"]}]}`), http.StatusCreated,
		orders.OrderReceipt{OrderID: "2", Status: orders.Added, LinesAdded: 1}, orders.OrderReceipt{OrderID: "R/1 ü", Status: orders.Known, LinesAdded: 1})

	got := send(http.MethodGet, ordersPath+"/R/1%20%C3%BC", "")
	const want = `{"order_id":"R/1 ü","ordered_at":"2026-03-01T09:00:00Z","customer_id":"ann","items":[` +
		`{"name":"a","quantity":2},{"name":"c","quantity":2.5},{"name":"d","quantity":1}],"load_id":2,"pending":true}`
	if strings.TrimSpace(string(got.body)) != want {
		t.Errorf("%s, want %s", got.body, want)
	}
	if a := send(http.MethodGet, ordersPath+"/1", ""); !strings.Contains(string(a.body), `"pending":false`) {
		t.Errorf("an order that was counted: %s", a.body)
	}
	if a := s.get(t, orderPath+"/R/1%20%C3%BC"); a.status != http.StatusOK || !strings.Contains(string(a.body), `"item_name":"b"`) {
		t.Errorf("what goes with the new order: %d %s", a.status, a.body)
	}

	if a := send(http.MethodDelete, ordersPath+"/R/1%20%C3%BC?reason=forget", ""); a.status != http.StatusOK || !strings.Contains(string(a.body), `"lines":3`) {
		t.Errorf("deletion: %d %s", a.status, a.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		problemDetail(t, send(method, ordersPath+"/R/1%20%C3%BC", ""), http.StatusNotFound)
	}
	if findings, _, err := doctor.Run(t.Context(), s.pool); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v %v", findings, err)
	}
}

// TestCancellations: items and orders are returned or canceled, exactly and repeatably. Sending the order again, or an
// earlier return late, brings nothing back.
func TestCancellations(t *testing.T) {
	t.Parallel()
	s, send := ordersServer(t)
	const order = `{"order_id":"x","items":[{"name":"a","quantity":5},"b","c"]}`
	cancel := func(body, want string) {
		t.Helper()
		a := send(http.MethodPost, cancellationsPath, body)
		if a.status != http.StatusOK || !strings.Contains(string(a.body), `"items":`+want+`,`) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
	}
	if a := send(http.MethodPost, ordersPath, order); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	again := func() {
		t.Helper()
		wantReceipt(t, send(http.MethodPost, ordersPath, order), http.StatusOK, orders.OrderReceipt{OrderID: "x", Status: orders.Known})
	}
	const rest = `[{"name":"a","quantity":3},{"name":"c","quantity":1}]`
	for range 2 {
		cancel(`{"order_id":"x","items":[{"name":"a","quantity":2},"b"]}`, rest)
		again()
	}
	cancel(`{"order_id":" x ","items":[{"name":"a","quantity":1}]}`, rest)
	cancel(`{"order_id":"x","items":[{"name":"a","quantity":5}]}`, `[{"name":"c","quantity":1}]`)
	cancel(`{"order_id":"x"}`, `[]`)
	if a := s.get(t, orderPath+"/x"); a.status != http.StatusNotFound {
		t.Errorf("what goes with a cancelled order: %d %s", a.status, a.body)
	}
	again()
	cancel(`{"order_id":"x","items":["c"]}`, `[]`)
	// Items that the order never had are added.
	wantReceipt(t, send(http.MethodPost, ordersPath, `{"order_id":"x","items":["a","d"]}`), http.StatusOK,
		orders.OrderReceipt{OrderID: "x", Status: orders.Known, LinesAdded: 1})
	cancel(`{"order_id":"x","items":["a"]}`, `[{"name":"d","quantity":1}]`)

	problemDetail(t, send(http.MethodPost, cancellationsPath, `{"order_id":"nobody's"}`), http.StatusNotFound)
	for body, want := range map[string]string{
		`{"order_id":"x","items":[]}`:                              "items: ",
		`{"order_id":"x","items":[{"name":"a","quantity":-1}]}`:    "items[0]",
		`{"order_id":"x","items":["a","a"]}`:                       "items[1].name: is listed twice",
		`{"order_id":"x","items":["a",""]}`:                        "items[1].name: is empty",
		`{"order_id":"x","items":["\u200b"]}`:                      "items[0].name: is empty",
		`{"order_id":"x","items":["a","z"]}`:                       "items[1].name: is not an item of the order",
		`{"order_id":"x","items":["\u0000"]}`:                      "items[0]",
		`{"order_id":"x","items":[{"name":"a","quantity":1e300}]}`: "items[0].quantity",
		`{"items":["a"]}`:                                          "order_id",
	} {
		if detail := problemDetail(t, send(http.MethodPost, cancellationsPath, body), http.StatusUnprocessableEntity); !strings.Contains(detail, want) {
			t.Errorf("%s: %q, want %q", body, detail, want)
		}
	}
	for _, id := range []string{"%ff", "%00", "a%00b"} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			problemDetail(t, send(method, ordersPath+"/"+id, ""), http.StatusNotFound)
		}
	}
	problemDetail(t, send(http.MethodDelete, ordersPath+"/x?reason=%00", ""), http.StatusUnprocessableEntity)
	var failed int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM loads WHERE status = 'failed'").Scan(&failed); err != nil || failed > 0 {
		t.Errorf("%d failed loads, error %v", failed, err)
	}
	if findings, _, err := doctor.Run(t.Context(), s.pool); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v %v", findings, err)
	}
}

// TestOrdersRefused: a request with any error loads nothing and names the errors.
func TestOrdersRefused(t *testing.T) {
	t.Parallel()
	s, send := ordersServer(t)
	many := func(n int, of string) string { return strings.TrimSuffix(strings.Repeat(of+",", n), ",") }
	for body, want := range map[string]string{
		`{}`:                              "items: are 0",
		`{"order_id":"x"}`:                "items: are 0",
		`{"items":["a"]}`:                 "order_id: ",
		`{"order_id":"x","items":[]}`:     "items: expected array length >= 1",
		`{"order_id":"  ","items":["a"]}`: "order_id: ",
		`{"order_id":"x","items":["a","\u0000"]}`:                                          "items[1]: ",
		`{"order_id":"x","items":["a"," "]}`:                                               "items[1].name: ",
		`{"order_id":"x","items":[5]}`:                                                     "items[0]: expected a name, or an object with only name and quantity (above 0)",
		`{"order_id":"x","items":[{"name":"a","quantity":0}]}`:                             "items[0]: expected a name, or an object",
		`{"order_id":"x","items":[{"name":"a","price":5}]}`:                                "items[0]: expected a name, or an object with only",
		`{"order_id":"x","items":[{"name":"a","quantity":1e-7}]}`:                          "items[0].quantity: ",
		`{"order_id":"x","items":["a"],"ordered_at":"yesterday"}`:                          "ordered_at: ",
		`{"order_id":"x","items":["a"],"total":5}`:                                         "total: unexpected property",
		`{"order_id":"x","items":["a"],"orders":[{"order_id":"y","items":["a"]}]}`:         "orders: come instead",
		`{"orders":[{"order_id":"x","items":["a"]},{"order_id":"y","items":[""]}]}`:        "orders[1].items[0].name: ",
		`{"orders":[{"order_id":"x","items":["a"]},{"order_id":" x","items":["b"]}]}`:      "orders[1].order_id: is that of orders[0]",
		`{"orders":[` + many(1001, `{"order_id":"x","items":["a"]}`) + `]}`:                "orders: expected array length <= 1000",
		`{"order_id":"x","items":[` + many(1001, `"a"`) + `]}`:                             "items: expected array length <= 1000",
		`{"order_id":"` + strings.Repeat("x", 2001) + `","items":["a"]}`:                   "order_id: order of 2001 bytes, the maximum is 2000",
		`{"order_id":"x","items":["a"],"ordered_at":"0001-01-01T00:00:00Z"}`:               "ordered_at: ",
		`{"order_id":"x","items":["a"],"customer_id":"` + strings.Repeat("x", 2001) + `"}`: "customer_id: customer of 2001 bytes",
		`{"orders":[{"order_id":"\u0000","items":["a","b"]}]}`:                             "orders[0].order_id: NUL byte in the order",
		`{"order_id":"x","items":["a","b"],"customer_id":"\ud800 "}`:                       "customer_id: ",
		`{"order_id":"x","items":["a","b"],"customer_id":"\u0000"}`:                        "customer_id: NUL byte in the customer",
		`{"order_id":"1.23E+12","items":["a"]}`:                                            "order_id: order",
	} {
		a := send(http.MethodPost, ordersPath, body)
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%.80s: %d %s", body, a.status, a.body)
			continue
		}
		if detail := problemDetail(t, a, http.StatusUnprocessableEntity); !strings.Contains(detail, want) {
			t.Errorf("%.80s: %q, want %q", body, detail, want)
		}
	}
	var loads int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM loads").Scan(&loads); err != nil || loads != 1 {
		t.Errorf("%d loads, error %v", loads, err)
	}
	without := serveAPI(t, Config{Pool: s.pool})
	detail := problemDetail(t, without.do(t, http.MethodPost, ordersPath, `{"order_id":"x","items":["a"]}`, withKey(mustCreateKey(t, s.pool, "other"))),
		http.StatusServiceUnavailable)
	if !strings.Contains(detail, "may not change orders") {
		t.Errorf("without a role that may load: %q", detail)
	}
}

// TestIdempotencyKey: a repeat gets the first answer, another body is refused, and each sender has its own keys.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s, _ := ordersServer(t)
	shop, other := withKey(mustCreateKey(t, s.pool, "one")), withKey(mustCreateKey(t, s.pool, "two"))
	shop.Set("Idempotency-Key", "k1")
	other.Set("Idempotency-Key", "k1")
	const body = `{"order_id":"x","items":["a"]}` // ordered now, which differs in the repeat
	first := s.do(t, http.MethodPost, ordersPath, body, shop)
	again := s.do(t, http.MethodPost, ordersPath, body, shop)
	if first.status != http.StatusCreated || again.status != first.status || string(again.body) != string(first.body) {
		t.Errorf("%d %s, and again %d %s", first.status, first.body, again.status, again.body)
	}
	changed := strings.Replace(body, `"a"`, `"b"`, 1)
	problemDetail(t, s.do(t, http.MethodPost, ordersPath, changed, shop), http.StatusUnprocessableEntity)
	wantReceipt(t, s.do(t, http.MethodPost, ordersPath, changed, other), http.StatusOK, orders.OrderReceipt{OrderID: "x", Status: orders.Known, LinesAdded: 1})
}

// TestIdempotencyKeyAtOnce: of concurrent requests with one key, one is answered and the others get its answer or are
// refused. Nothing of a deleted order remains, and its repeat does not bring it back.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := ordersServer(t)
	second := serveAPI(t, Config{Pool: s.pool, Orders: orders.NewStore(s.pool, "test")}) // of two servers
	shop := withKey(mustCreateKey(t, s.pool, "one"))
	shop.Set("Idempotency-Key", "k")
	const each = 8
	answers := make([]answer, 2*each)
	var sending sync.WaitGroup
	for i := range answers {
		sending.Go(func() {
			to := []*server{s, second}[i%2]
			answers[i] = to.do(t, http.MethodPost, ordersPath, `{"order_id":"jane `+strconv.Itoa(i/each)+`","items":["a"]}`, shop)
		})
	}
	sending.Wait()
	bodies := map[string]int{}
	refused := 0
	for _, a := range answers {
		if a.status == http.StatusUnprocessableEntity {
			refused++
			continue
		}
		bodies[strconv.Itoa(a.status)+string(a.body)]++
	}
	if len(bodies) != 1 || refused != each {
		t.Fatalf("%d refused, others %v", refused, bodies)
	}
	stored, err := orders.Get(t.Context(), s.pool, "jane 0")
	if err != nil {
		stored, err = orders.Get(t.Context(), s.pool, "jane 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, http.MethodDelete, ordersPath+"/"+strings.ReplaceAll(stored.OrderID, " ", "%20"), "", shop); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var left bool
	if err := s.pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM idempotency_keys AS k WHERE k::text LIKE '%jane%')").Scan(&left); err != nil || left {
		t.Errorf("the key names the deleted order: %v %v", left, err)
	}
	body := `{"order_id":"` + stored.OrderID + `","items":["a"]}`
	if a := s.do(t, http.MethodPost, ordersPath, body, shop); bodies[strconv.Itoa(a.status)+string(a.body)] == 0 {
		t.Errorf("the repeat: %d %s", a.status, a.body)
	}
	// After a day, the key is free.
	if _, err := s.pool.Exec(t.Context(), "UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'"); err != nil {
		t.Fatal(err)
	}
	first := s.do(t, http.MethodPost, ordersPath, body, shop)
	again := s.do(t, http.MethodPost, ordersPath, body, shop)
	if first.status != http.StatusCreated || string(again.body) != string(first.body) {
		t.Errorf("after a day %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
}

// TestOrdersRepeatedAtOnce: an order and its concurrent repeats, as from an impatient client, count once.
func TestOrdersRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	s, send := ordersServer(t)
	const orders, repeats = 6, 8
	var sending sync.WaitGroup
	for i := range orders * repeats {
		sending.Go(func() {
			id := "again " + strconv.Itoa(i%orders)
			a := send(http.MethodPost, ordersPath, `{"order_id":"`+id+`","items":[{"name":"a","quantity":2},"b"]}`)
			if a.status != http.StatusCreated && a.status != http.StatusOK {
				t.Errorf("%s: %d %s", id, a.status, a.body)
			}
		})
	}
	sending.Wait()
	got := ""
	err := s.pool.QueryRow(t.Context(), `SELECT string_agg(DISTINCT i.name || ' ' || trim_scale(l.quantity), ', ')
		FROM orders AS o JOIN order_lines AS l USING (order_id) JOIN items AS i USING (item_id) WHERE o.external_id LIKE 'again %'`).Scan(&got)
	if err != nil || got != "a 2, b 1" {
		t.Errorf("quantities %q, error %v", got, err)
	}
}

// TestOrdersTogether: concurrent orders share loads, and each sender gets its own receipt.
func TestOrdersTogether(t *testing.T) {
	t.Parallel()
	s, send := ordersServer(t)
	const senders, each = 8, 6
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for j := range each {
				id := strconv.Itoa(100*(i+1) + j)
				a := send(http.MethodPost, ordersPath, `{"order_id":"`+id+`","items":["a","of `+id+`"]}`)
				if a.status != http.StatusCreated || !strings.Contains(string(a.body), `"orders":[{"order_id":"`+id+`","status":"added","lines_added":2}]`) {
					t.Errorf("%s: %d %s", id, a.status, a.body)
				}
			}
		})
	}
	sending.Wait()
	var loads, lines int
	err := s.pool.QueryRow(t.Context(), "SELECT count(*), sum(rows_loaded) FROM loads WHERE source LIKE 'POST %' AND loaded_by = 'shop'").Scan(&loads, &lines)
	if err != nil || lines != 2*senders*each || loads > senders*each {
		t.Errorf("%d lines in %d loads, error %v", lines, loads, err)
	}
	t.Logf("%d orders in %d loads", senders*each, loads)
	if findings, _, err := doctor.Run(t.Context(), s.pool); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v %v", findings, err)
	}
}
