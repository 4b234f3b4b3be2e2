package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/orders"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Orders go in, a build counts them, and answers come out; every name is one.
func TestClient(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	key, _, err := apikey.Create(t.Context(), pool, "shop", apikey.Usual, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	a := httpapi.New(httpapi.Config{Pool: pool, Orders: orders.NewStore(pool, "test")})
	defer a.Close()
	server := httptest.NewServer(a)
	defer server.Close()
	api, err := client.New(server.URL, key, client.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}

	const odd = `a/b?c=d#e %2F ü, "f"`
	var many []client.OrderBody
	for n := range 3 {
		many = append(many, client.OrderBody{
			OrderID: fmt.Sprint("R/", n), Items: []client.OrderItem{{Name: "PID"}, {Name: odd, Quantity: 1.5}},
		})
	}
	added, err := api.OrdersAddWithResponse(t.Context(), &client.OrdersAddParams{IdempotencyKey: new("once")},
		client.OrdersBody{Orders: many})
	if err != nil || added.JSON201 == nil || len(added.JSON201.Orders) != 3 ||
		added.JSON201.Orders[0].Status != client.OrderReceiptStatusAdded {
		t.Fatalf("%+v, %v", added, err)
	}
	if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 1}); err != nil {
		t.Fatal(err)
	}
	order, err := api.OrdersGetWithResponse(t.Context(), "R/1")
	if err != nil || len(order.JSON200.Items) != 2 || order.JSON200.Pending {
		t.Errorf("%+v, %v", order, err)
	}

	similar, err := api.SimilarItemsWithResponse(t.Context(), odd, &client.SimilarItemsParams{
		Limit: new(int64(1)), Measure: new(client.Count),
	})
	if err != nil || len(similar.JSON200.Recommendations) != 1 || similar.JSON200.Recommendations[0].ItemName != "PID" ||
		similar.JSON200.Recommendations[0].OrdersTogether != 3 || similar.JSON200.Metadata.ItemName != odd {
		t.Fatalf("%+v, %v", similar, err)
	}
	etag := similar.HTTPResponse.Header.Get("ETag")
	again, err := api.SimilarItemsByQueryWithResponse(t.Context(),
		&client.SimilarItemsByQueryParams{Item: odd, Limit: new(int64(1)), Measure: new(client.Count), IfNoneMatch: &etag})
	if err != nil || again.StatusCode() != http.StatusNotModified || again.JSON200 != nil {
		t.Errorf("%+v, %v", again, err)
	}
	basket, err := api.BasketRecommendationsWithResponse(t.Context(), client.BasketBody{
		Items: []string{"PID", "new"}, Exclude: []string{odd}, Strict: true,
	})
	if err != nil || len(basket.JSON200.Recommendations) != 0 ||
		strings.Join(basket.JSON200.Metadata.UnknownItems, "") != "new" {
		t.Errorf("%+v, %v", basket, err)
	}
	popular, err := api.PopularItemsWithResponse(t.Context(), &client.PopularItemsParams{Exclude: &[]string{odd, "x,y"}})
	if err != nil || len(popular.JSON200.Recommendations) != 1 {
		t.Errorf("%+v, %v", popular, err)
	}
}

// What a server refuses is an error that says what and why.
func TestErrors(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	a := httpapi.New(httpapi.Config{Pool: pool, AddressRate: 1.0 / 3600})
	defer a.Close()
	server := httptest.NewServer(a)
	defer server.Close()
	api, err := client.New(server.URL+"/", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.RulesAddWithResponse(t.Context(), client.RuleBody{
		Kind: client.RuleKindHide, Items: []string{"PID"}, Reason: "recalled",
	})
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Status != http.StatusUnauthorized || refused.Title != "Unauthorized" ||
		!strings.Contains(refused.Detail, "needs a key") ||
		refused.RequestID == "" || refused.RetryAfter != 0 ||
		!strings.HasPrefix(refused.Error(), "401 Unauthorized: this needs") {
		t.Errorf("%+v, %v", refused, err)
	}
	_, err = api.PopularItemsWithResponse(t.Context(), &client.PopularItemsParams{Limit: new(int64(101))})
	if refused, ok = errors.AsType[*client.Error](err); !ok || refused.Status != http.StatusTooManyRequests ||
		refused.RetryAfter != time.Hour {
		t.Errorf("%+v, %v", refused, err)
	}
	live, err := api.LivezWithResponse(t.Context())
	if err != nil || live.JSON200.Status != client.LiveBodyStatusAlive {
		t.Errorf("%+v, %v", live, err)
	}
	if api, err := client.New("http://[", ""); err == nil {
		if _, err := api.LivezWithResponse(t.Context()); err == nil {
			t.Error("a URL that is none is taken")
		}
	}
	elsewhere, err := client.New("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.LivezWithResponse(t.Context()); err == nil || errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}
