package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/orders"
)

func Example() {
	ctx := context.Background()
	url, key, count, end := exampleServer(ctx)
	defer end()

	api, err := client.New(url, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = api.OrdersAddWithResponse(ctx, nil, client.OrdersBody{Orders: []client.OrderBody{
		{OrderID: "C-1", Items: []client.OrderItem{{Name: "PID"}, {Name: "Gloves"}}},
		{OrderID: "C-2", Items: []client.OrderItem{{Name: "PID"}, {Name: "Gloves", Quantity: 2}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	count() // serve does so from time to time

	similar, err := api.SimilarItemsWithResponse(ctx, "PID", &client.SimilarItemsParams{Limit: new(int64(5))})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range similar.JSON200.Recommendations {
		fmt.Printf("%s: %s\n", r.ItemName, r.Reason)
	}
	_, err = api.SimilarItemsWithResponse(ctx, "Sextant", nil)
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Status == http.StatusNotFound {
		fmt.Println(refused.Detail)
	}
	// Output:
	// Gloves: bought together in 2 of 2 orders with PID
	// unknown item: "Sextant" is in no order of build 1
}

// exampleServer starts a server with an empty database. count makes a build.
func exampleServer(ctx context.Context) (url, key string, count, end func()) {
	t, endDatabase := dbtest.Example()
	pool := dbtest.New(t)
	key, _, err := apikey.Create(ctx, pool, "shop", apikey.Usual, nil, "example")
	if err != nil {
		t.Fatal(err)
	}
	a := httpapi.New(httpapi.Config{Pool: pool, Orders: orders.NewStore(pool, "example")})
	server := httptest.NewServer(a)
	count = func() {
		_, err := builds.Run(ctx, pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	return server.URL, key, count, func() { server.Close(); a.Close(); endDatabase() }
}
