package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/orders"
)

// hookedServer takes webhooks signed with either of two secrets.
func hookedServer(t *testing.T) *server {
	t.Helper()
	pool := dbtest.New(t)
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte("old-secret\nnew-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return serveAPI(t, Config{Pool: pool, Orders: orders.NewStore(pool, "test"), ShopifySecret: secrets, WooCommerceSecret: secrets})
}

func signature(body, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s *server) shopify(t *testing.T, topic, body, secret string) answer {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range map[string]string{
		"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": signature(body, secret), "X-Shopify-Shop-Domain": "a.example",
		"X-Shopify-Triggered-At": "2026-06-02T10:00:00.123456789Z",
	} {
		header.Set(name, value)
	}
	return s.do(t, http.MethodPost, shopifyPath, body, header)
}

func (s *server) woo(t *testing.T, topic, body string) answer {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range map[string]string{
		"X-WC-Webhook-Topic": topic, "X-WC-Webhook-Signature": signature(body, "new-secret"), "X-WC-Webhook-Source": "https://w.example/",
	} {
		header.Set(name, value)
	}
	return s.do(t, http.MethodPost, wooPath, body, header)
}

// lines returns the lines of all orders as "order item quantity".
func (s *server) lines(t *testing.T) string {
	t.Helper()
	var lines string
	err := s.pool.QueryRow(t.Context(), `
		SELECT coalesce(string_agg(concat_ws(' ', o.external_id, i.name, trim_scale(l.quantity)), ', ' ORDER BY o.external_id, i.name), '')
		FROM orders AS o JOIN order_lines AS l USING (order_id) JOIN items AS i USING (item_id)`).Scan(&lines)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// wantHook checks the status of a webhook and the resulting order lines.
func (s *server) wantHook(t *testing.T, a answer, status, lines string) {
	t.Helper()
	if a.status != http.StatusOK || !strings.Contains(string(a.body), `"status":"`+status+`"`) {
		t.Errorf("%d %s, want %s", a.status, a.body, status)
	}
	if got := s.lines(t); got != lines {
		t.Errorf("lines %q, want %q", got, lines)
	}
}

// shopifyOrder is the state of order 1001 at a minute: how many of two items are left, and when it was canceled.
func shopifyOrder(minute, beans, papers int, cancelled string) string {
	return fmt.Sprintf(`{"id":820982911946154508,"name":"#1001","created_at":"2026-06-01T09:59:00+02:00","updated_at":"2026-06-01T10:%02d:00+02:00",
		"cancelled_at":%s,"financial_status":"paid","customer":{"id":77},"total_price":"38.00","line_items":[
		{"id":1,"name":"Beans - 250g / Filter","quantity":2,"current_quantity":%d},{"id":2,"name":"Papers","quantity":1,"current_quantity":%d},
		{"id":3,"name":"Taken off","quantity":0,"current_quantity":0}]}`, minute, cancelled, beans, papers)
}

// TestShopifyWebhooks: events come in any order and repeatedly. The latest state of an order wins.
func TestShopifyWebhooks(t *testing.T) {
	t.Parallel()
	s := hookedServer(t)
	const both = "#1001 Beans - 250g / Filter 2, #1001 Papers 1"
	created := shopifyOrder(0, 2, 1, "null")
	s.wantHook(t, s.shopify(t, "orders/create", created, "old-secret"), "taken", both)
	s.wantHook(t, s.shopify(t, "orders/create", created, "new-secret"), "taken", both)
	s.wantHook(t, s.shopify(t, "orders/updated", shopifyOrder(5, 1, 0, "null"), "old-secret"), "taken", "#1001 Beans - 250g / Filter 1")
	s.wantHook(t, s.shopify(t, "orders/updated", shopifyOrder(2, 2, 0, "null"), "old-secret"), "stale", "#1001 Beans - 250g / Filter 1")
	const refund = `{"id":1,"order_id":820982911946154508,"created_at":"2026-06-01T10:%s:00+02:00","refund_line_items":[
		{"quantity":1,"line_item":{"id":1,"name":"Beans - 250g / Filter","quantity":2%s}}]}`
	s.wantHook(t, s.shopify(t, "refunds/create", fmt.Sprintf(refund, "04", ""), "old-secret"), "stale", "#1001 Beans - 250g / Filter 1")
	s.wantHook(t, s.shopify(t, "refunds/create", fmt.Sprintf(refund, "06", `,"current_quantity":0`), "old-secret"), "taken", "")
	s.wantHook(t, s.shopify(t, "orders/updated", shopifyOrder(7, 2, 1, "null"), "old-secret"), "taken", both) // restored
	s.wantHook(t, s.shopify(t, "orders/cancelled", shopifyOrder(9, 2, 1, `"2026-06-01T10:09:00+02:00"`), "old-secret"), "taken", "")
	s.wantHook(t, s.shopify(t, "orders/paid", shopifyOrder(8, 2, 1, "null"), "old-secret"), "stale", "")
	s.wantHook(t, s.shopify(t, "products/update", `{"id":1}`, "old-secret"), "ignored", "")

	// A refund of an unknown order is kept in the audit.
	s.wantHook(t, s.shopify(t, "refunds/create", strings.Replace(fmt.Sprintf(refund, "04", ""), "820982911946154508", "5", 1), "old-secret"), "taken", "")
	var notBought int
	if err := s.pool.QueryRow(t.Context(), "SELECT rows_not_bought FROM loads ORDER BY load_id DESC LIMIT 1").Scan(&notBought); err != nil || notBought != 1 {
		t.Errorf("%d rows not bought, error %v", notBought, err)
	}
	s.wantHook(t, s.shopify(t, "orders/create", strings.NewReplacer("820982911946154508", "6", "#1001", "#1002").Replace(created), "old-secret"), "taken",
		strings.ReplaceAll(both, "#1001", "#1002"))
	s.wantHook(t, s.shopify(t, "orders/delete", `{"id":6}`, "old-secret"), "taken", "")
	var failed int // stale events are not failures
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM loads WHERE status = 'failed'").Scan(&failed); err != nil || failed > 0 {
		t.Errorf("%d failed loads, error %v", failed, err)
	}
	if findings, _, err := doctor.Run(t.Context(), s.pool); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v %v", findings, err)
	}
}

// TestShopifyRefunds: refunds add up, however late they come and whether or not the order is known yet.
func TestShopifyRefunds(t *testing.T) {
	t.Parallel()
	s := hookedServer(t)
	refund := func(id, minute int, item string, quantity int) answer {
		return s.shopify(t, "refunds/create", fmt.Sprintf(`{"id":%d,"order_id":820982911946154508,"created_at":"2026-06-01T10:%02d:00+02:00",
			"refund_line_items":[{"quantity":%d,"line_item":{"name":%q}}]}`, id, minute, quantity, item), "old-secret")
	}
	const order = `{"id":820982911946154508,"name":"#1001","updated_at":"2026-06-01T10:00:00+02:00","line_items":[
		{"id":1,"name":"Mug","quantity":3},{"id":2,"name":"Tea","quantity":1},{"id":3,"name":"Mug","quantity":1}]%s}`
	s.wantHook(t, refund(1, 3, "Mug", 1), "taken", "") // before its order
	s.wantHook(t, s.shopify(t, "orders/create", fmt.Sprintf(order, ""), "old-secret"), "taken", "#1001 Mug 3, #1001 Tea 1")
	s.wantHook(t, refund(2, 4, "Mug", 1), "taken", "#1001 Mug 2, #1001 Tea 1")
	s.wantHook(t, refund(2, 4, "Mug", 1), "stale", "#1001 Mug 2, #1001 Tea 1")
	s.wantHook(t, refund(3, 2, "Tea", 1), "taken", "#1001 Mug 2") // older than the others
	s.wantHook(t, s.shopify(t, "refunds/create", `{"id":4,"order_id":820982911946154508,"created_at":"2026-06-01T10:05:00+02:00"}`, "old-secret"),
		"ignored", "#1001 Mug 2") // of shipping
	// An older version of the API reports what was refunded without current quantities.
	later := strings.Replace(fmt.Sprintf(order, `,"refunds":[{"id":1,"refund_line_items":[{"quantity":1,"line_item":{"id":3,"name":"Mug"}}]}]`),
		"10:00", "10:10", 1)
	s.wantHook(t, s.shopify(t, "orders/updated", later, "old-secret"), "taken", "#1001 Mug 3, #1001 Tea 1")
	// A cancellation is not overruled by a state of the same second.
	cancelled := strings.Replace(strings.Replace(later, "10:10", "10:11", 1), `"line_items"`, `"cancelled_at":"2026-06-01T10:11:00Z","line_items"`, 1)
	s.wantHook(t, s.shopify(t, "orders/cancelled", cancelled, "old-secret"), "taken", "")
	s.wantHook(t, s.shopify(t, "orders/updated", strings.Replace(later, "10:10", "10:11", 1), "old-secret"), "stale", "")
}

// TestWooCommerceWebhooks does the same for WooCommerce.
func TestWooCommerceWebhooks(t *testing.T) {
	t.Parallel()
	s := hookedServer(t)
	order := func(minute int, status string) string {
		return fmt.Sprintf(`{"id":727,"number":"W-727","status":%q,"date_created_gmt":"2026-06-01T08:00:00","date_modified_gmt":"2026-06-01T08:%02d:00",
			"customer_id":25,"line_items":[{"id":1,"name":"Blue mug","quantity":2},{"id":2,"name":"Tea towel","quantity":1}]}`, status, minute)
	}
	const both = "W-727 Blue mug 2, W-727 Tea towel 1"
	ping := s.do(t, http.MethodPost, wooPath, "webhook_id=1", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	s.wantHook(t, ping, "ignored", "")
	s.wantHook(t, s.woo(t, "order.created", order(0, "processing")), "taken", both)
	s.wantHook(t, s.woo(t, "order.updated", order(9, "refunded")), "taken", "")
	s.wantHook(t, s.woo(t, "order.updated", order(5, "completed")), "stale", "")
	s.wantHook(t, s.woo(t, "order.restored", order(10, "completed")), "taken", both)
	towel := regexp.MustCompile(`,\{"id":2.*\}`)
	s.wantHook(t, s.woo(t, "order.updated", towel.ReplaceAllString(order(11, "completed"), "]}")), "taken", "W-727 Blue mug 2")
	mug := regexp.MustCompile(`\{"id":1.*\}`)
	s.wantHook(t, s.woo(t, "order.updated", mug.ReplaceAllString(order(12, "completed"), "]}")), "taken", "")
	s.wantHook(t, s.woo(t, "order.created", strings.ReplaceAll(mug.ReplaceAllString(order(1, "completed"), "]}"), "727", "728")), "ignored", "")
	s.wantHook(t, s.woo(t, "order.updated", order(13, "completed")), "taken", both)
	s.wantHook(t, s.woo(t, "order.deleted", `{"id":727}`), "taken", "")
	s.wantHook(t, s.woo(t, "product.updated", `{"id":727}`), "ignored", "")
}

// TestWebhooksRefused: unsigned bodies are not parsed, and unparsable ones not stored.
func TestWebhooksRefused(t *testing.T) {
	t.Parallel()
	s := hookedServer(t)
	created := shopifyOrder(0, 2, 1, "null")
	problemDetail(t, s.shopify(t, "orders/create", created, "another"), http.StatusUnauthorized)
	problemDetail(t, s.do(t, http.MethodPost, shopifyPath, created, http.Header{"X-Shopify-Topic": {"orders/create"}}), http.StatusUnauthorized)
	problemDetail(t, s.do(t, http.MethodPost, wooPath, created, http.Header{"X-Wc-Webhook-Topic": {"order.created"}}), http.StatusUnauthorized)
	for _, body := range []string{
		`{}`, `[]`, `"`, `{"id":1}`, `{"id":"x","updated_at":"yesterday"}`, strings.Replace(created, `"quantity":2`, `"quantity":"two"`, 1),
		strings.Replace(created, "Papers", "Pap\xffers", 1), created + "x",
		`{"id":1,"name":"#1","updated_at":"2026-06-01T10:00:00Z","line_items":[{"name":"","quantity":1}]}`,
	} {
		problemDetail(t, s.shopify(t, "orders/create", body, "old-secret"), http.StatusUnprocessableEntity)
	}
	if got := s.lines(t); got != "" {
		t.Errorf("lines %q", got)
	}
	without := serveAPI(t, Config{Pool: s.pool, Orders: orders.NewStore(s.pool, "test")})
	problemDetail(t, without.shopify(t, "orders/create", created, "old-secret"), http.StatusServiceUnavailable)
}

// A secret that became unreadable is the server's problem, not the shop's: the shop sends the event again, and the log
// has the cause.
func TestWebhookSecretIsGone(t *testing.T) {
	t.Parallel()
	s := hookedServer(t)
	created := shopifyOrder(0, 2, 1, "null")
	if err := os.Remove(s.api.ShopifySecret); err != nil {
		t.Fatal(err)
	}
	a := s.shopify(t, "orders/create", created, "old-secret")
	detail := problemDetail(t, a, http.StatusServiceUnavailable)
	if !strings.Contains(detail, "cannot read its webhook secret") || strings.Contains(detail, s.api.ShopifySecret) || a.header.Get("Retry-After") == "" {
		t.Errorf("%q %v", detail, a.header)
	}
	if l := s.log.of(t, a.header.Get(requestIDHeader)); !strings.Contains(fmt.Sprint(l["error"]), s.api.ShopifySecret) {
		t.Errorf("%v", l)
	}
	if err := os.WriteFile(s.api.ShopifySecret, []byte("old-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.wantHook(t, s.shopify(t, "orders/create", created, "old-secret"), "taken", "#1001 Beans - 250g / Filter 2, #1001 Papers 1")
}
