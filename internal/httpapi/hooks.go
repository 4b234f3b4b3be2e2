package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/webhook"
)

// Routes of webhooks, as configured in the shop's software.
const (
	shopifyPath = "/api/v1/hooks/shopify"
	wooPath     = "/api/v1/hooks/woocommerce"
)

var (
	errNoSecret  = errors.New("this server has no secret for these webhooks: see docs/orders.md")
	errSecret    = errors.New("the server cannot read its webhook secret: its log says why")
	errSignature = errors.New("the signature is not that of the body under the secret of these webhooks")
)

type (
	shopifyInput struct {
		Topic     string `header:"X-Shopify-Topic" doc:"Event." example:"orders/create"`
		Signature string `header:"X-Shopify-Hmac-Sha256" doc:"Base64 of the body's HMAC-SHA256 with the secret."`
		Shop      string `header:"X-Shopify-Shop-Domain" doc:"The shop." example:"example.myshopify.com"`
		SentAt    string `header:"X-Shopify-Triggered-At" doc:"Time of the event."`
		RawBody   []byte `contentType:"application/json"`
	}
	//nolint:tagliatelle // as WooCommerce writes them
	wooInput struct {
		Topic     string `header:"X-WC-Webhook-Topic" doc:"Event." example:"order.created"`
		Signature string `header:"X-WC-Webhook-Signature" doc:"Base64 of the body's HMAC-SHA256 with the secret."`
		Shop      string `header:"X-WC-Webhook-Source" doc:"The shop." example:"https://shop.example/"`
		RawBody   []byte `contentType:"application/json"`
	}

	hookOutput struct{ Body hookBody }
	hookBody   struct {
		Status orders.Outcome `json:"status" enum:"taken,stale,ignored" doc:"taken: stored. stale: known already or outdated. ignored: changes no order."`
		LoadID int64          `json:"load_id,omitempty" doc:"The load that contains it, for the audit."`
	}
)

func (a *API) hooks() {
	register(a, requirements{body: a.MaxBody, anyType: true, slots: a.queries, of: a.primary}, hook(huma.Operation{
		OperationID: "hooks-shopify",
		Path:        shopifyPath,
		Summary:     "Receive a Shopify webhook",
		Description: "Topics: orders/create, orders/updated, orders/edited, orders/paid, orders/fulfilled, orders/partially_fulfilled, " +
			"orders/cancelled, orders/delete, refunds/create. Events may arrive twice and in any order.",
	}), func(ctx context.Context, in *shopifyInput) (*hookOutput, error) {
		sentAt, err := time.Parse(time.RFC3339, in.SentAt)
		if err != nil {
			sentAt = time.Now()
		}
		sender := orders.Sender{Source: http.MethodPost + " " + shopifyPath, Name: "shopify " + in.Shop}
		return a.take(ctx, sender, signed{a.ShopifySecret, in.Signature, in.RawBody}, func() (orders.Event, error) {
			return webhook.Shopify(sender.Name, in.Topic, sentAt, in.RawBody)
		})
	})
	register(a, requirements{body: a.MaxBody, anyType: true, slots: a.queries, of: a.primary}, hook(huma.Operation{
		OperationID: "hooks-woocommerce",
		Path:        wooPath,
		Summary:     "Receive a WooCommerce webhook",
		Description: "Topics: order.created, order.updated, order.restored, order.deleted. Events may arrive twice and in any order.",
	}), func(ctx context.Context, in *wooInput) (*hookOutput, error) {
		if in.Topic == "" && in.Signature == "" { // a new webhook's ping
			return &hookOutput{hookBody{Status: orders.Ignored}}, nil
		}
		sender := orders.Sender{Source: http.MethodPost + " " + wooPath, Name: "woocommerce " + in.Shop}
		return a.take(ctx, sender, signed{a.WooCommerceSecret, in.Signature, in.RawBody}, func() (orders.Event, error) {
			return webhook.WooCommerce(sender.Name, in.Topic, time.Now(), in.RawBody)
		})
	})
	takesPings(a.routes.OpenAPI().Paths[wooPath].Post)
}

// takesPings documents the ping of a new webhook, which is a form.
func takesPings(op *huma.Operation) {
	op.RequestBody.Content["application/x-www-form-urlencoded"] = &huma.MediaType{
		Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"webhook_id": {Type: huma.TypeString}}},
	}
}

// signed is a body, its signature, and the file of secrets to check it against.
type signed struct {
	secretFile, signature string
	body                  []byte
}

// hook sets what webhook operations share.
func hook(op huma.Operation) huma.Operation {
	op.Method = http.MethodPost
	op = managed(op, http.StatusOK, "webhooks")
	op.SkipValidateBody = true // parsed once the signature is verified
	op.Errors = append(op.Errors, http.StatusUnauthorized)
	return op
}

// take verifies the signature and stores the event that parse returns.
func (a *API) take(ctx context.Context, sender orders.Sender, s signed, parse func() (orders.Event, error)) (*hookOutput, error) {
	switch {
	case s.secretFile == "":
		return nil, errNoSecret
	case a.Orders == nil:
		return nil, errNoOrders
	}
	secrets, err := webhook.Secrets(s.secretFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSecret, err)
	}
	if !webhook.Signed(s.body, s.signature, secrets) {
		return nil, errSignature
	}
	event, err := parse()
	if errors.Is(err, webhook.ErrIgnored) {
		return &hookOutput{hookBody{Status: orders.Ignored}}, nil
	}
	if err != nil {
		return nil, err
	}
	receipt, outcome, err := a.Orders.Apply(ctx, sender, event)
	if err != nil {
		return nil, invalidOrders(err, false)
	}
	return &hookOutput{hookBody{outcome, receipt.LoadID}}, nil
}
