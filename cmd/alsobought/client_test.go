package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/dbtest"
)

// apiAt returns a client of the server at base; key may be empty.
func apiAt(t *testing.T, base, key string) *client.ClientWithResponses {
	t.Helper()
	api, err := client.New(base, key)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// TestOrdersByClient sends orders with the Go client, waits until they are counted, and asks for recommendations.
func TestOrdersByClient(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	key := strings.TrimSpace(want(t, url, nil, "keys", "create", "till"))
	api := apiAt(t, served(t, url, "--rebuild-after", "1", "--rebuild-every", "1s"), key)
	for _, id := range []string{"T/1", "T/2"} {
		added, err := api.OrdersAddWithResponse(t.Context(), nil, client.OrdersBody{
			OrderID: id, Items: []client.OrderItem{{Name: "cups"}, {Name: "saucers", Quantity: 2}},
		})
		if err != nil || added.StatusCode() != http.StatusCreated {
			t.Fatalf("%+v, %v", added, err)
		}
	}
	dbtest.Eventually(t, "the orders to be counted", func(ctx context.Context) bool {
		ready, err := api.ReadyzWithResponse(ctx)
		return err == nil && ready.JSON200 != nil && ready.JSON200.PendingOrders != nil && *ready.JSON200.PendingOrders == 0
	})
	similar, err := api.SimilarItemsWithResponse(t.Context(), "cups", nil)
	if err != nil || len(similar.JSON200.Recommendations) != 1 || similar.JSON200.Recommendations[0].OrdersTogether != 2 {
		t.Errorf("%+v, %v", similar, err)
	}
	left, err := api.OrdersCancelWithResponse(t.Context(), client.CancelBody{
		OrderID: "T/2", Items: []client.OrderItem{{Name: "cups"}},
	})
	if err != nil || len(left.JSON200.Items) != 1 || left.JSON200.Items[0].Name != "saucers" {
		t.Errorf("%+v, %v", left, err)
	}
	deleted, err := api.OrdersDeleteWithResponse(t.Context(), "T/1", &client.OrdersDeleteParams{Reason: new("asked for")})
	if err != nil || deleted.JSON200.Lines != 2 {
		t.Errorf("%+v, %v", deleted, err)
	}
}

// The client is generated from the document that the program prints and serves.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	printed, err := command(t, "", "openapi").Output()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../../client/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	// A new version number alone is not a change of the API.
	without := func(document []byte) string {
		lines := strings.Split(string(document), "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, `    "version": `) {
				lines[i] = ""
			}
		}
		return strings.Join(lines, "\n")
	}
	if diff := cmp.Diff(without(kept), without(printed)); diff != "" {
		t.Errorf("make generate writes client/openapi.json anew (-kept +printed):\n%s", diff)
	}
}
