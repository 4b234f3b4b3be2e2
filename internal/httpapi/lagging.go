package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/recommend"
)

// mayLagType is the problem type by which clients can tell that a replica may lag.
const mayLagType = "urn:alsobought:replica-may-lag"

// errMayLag means that a replica does not know an order, which may be new, and no other server can be asked.
var errMayLag = errors.New("the replica does not know it, but may lag, and the primary cannot be asked")

// againTimeout bounds the second attempt, on the primary.
const againTimeout = 2 * time.Second

// mayLag returns the problem for errMayLag.
func mayLag(err error) error {
	p := newProblem(http.StatusServiceUnavailable, err.Error()+"; try again later")
	p.Type = mayLagType
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {retrySeconds}})
}

// askPrimary asks the primary about an order that the replica does not know.
func (a *API) askPrimary(ctx context.Context, q recommend.Question) (recommend.Served, error) {
	a.metrics.askedPrimary(unknownOrder)
	bounded, cancel := context.WithTimeout(ctx, againTimeout)
	defer cancel()
	again, done := a.on(bounded, a.primary)
	defer done()
	served, err := a.primary.answers.Ask(again, q, nil)
	if err != nil && a.unanswered(again, a.primary, err) {
		err = fmt.Errorf("order %q: %w", q.OrderID, errMayLag)
	}
	return served, err
}

// unknownOnReplica adds to an unknown order's error that a replica, the only server there is, said so.
func (a *API) unknownOnReplica(ctx context.Context, err error) error {
	if !errors.Is(err, recommend.ErrUnknownOrder) {
		return err
	}
	if seen := a.primary.probe.look(ctx); seen.access.Replica != nil {
		return fmt.Errorf("%w according to %s: it may have been loaded since", err, seen.access)
	}
	return err
}

// storedOrder returns an order from the primary, or from the replica while the primary is away.
func (a *API) storedOrder(ctx context.Context, in *storedInput) (*storedOutput, error) {
	if a.Orders == nil {
		return nil, errNoOrders
	}
	first, done := a.on(ctx, a.primary)
	stored, err := a.Orders.Get(first, in.OrderID)
	unanswered := err != nil && a.unanswered(first, a.primary, err)
	done()
	if !unanswered || a.reads == a.primary || a.reads.isAway() {
		return &storedOutput{Body: stored}, err
	}
	second, done := a.on(ctx, a.reads)
	defer done()
	stored, err = orders.Get(second, a.reads.pool, in.OrderID)
	if errors.Is(err, orders.ErrNotFound) {
		err = fmt.Errorf("order %q: %w", in.OrderID, errMayLag)
	}
	return &storedOutput{Warning: staleWarning, Body: stored}, err
}
