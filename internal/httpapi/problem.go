package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
	"github.com/alsobought/alsobought/internal/webhook"
)

// statusClientGone is logged for requests whose client disconnected. It is nginx's number; nobody receives it.
const statusClientGone = 499

// retrySeconds is the Retry-After of a 503.
const retrySeconds = "5"

// shownErrors is how many invalid fields a problem's detail spells out. Its list has all of them.
const shownErrors = 5

// problem turns an error into the problem that the client sees. It is the only place that maps errors to statuses.
// Hidden causes go to the log. where is the part of the request that contains the fields: query, body or header.
func problem(ctx context.Context, err error, where string) error {
	requestState := stateOf(ctx)
	unreadable := webhook.InvalidError{}
	invalid, invalidRule := new(recommend.InvalidError), rules.InvalidError{}
	switch {
	case isProblem(err):
		return err
	case errors.Is(err, errMayLag):
		return mayLag(err)
	case errors.Is(err, errAway), errors.Is(context.Cause(ctx), errAway):
		return unavailable(errAway.Error())
	case errors.Is(context.Cause(ctx), context.Canceled):
		return newProblem(statusClientGone, "the client went away")
	case errors.Is(err, errBusy):
		return unavailable(errBusy.Error() + "; try again later")
	case errors.As(err, &invalid):
		p := newProblem(http.StatusUnprocessableEntity, "")
		p.Errors = []*huma.ErrorDetail{{Location: where + "." + invalid.Field, Message: invalid.Problem}}
		return p
	case errors.As(err, &invalidRule):
		p := newProblem(http.StatusUnprocessableEntity, "")
		for _, f := range invalidRule {
			p.Errors = append(p.Errors, &huma.ErrorDetail{Location: where + "." + f.Field, Message: f.Problem})
		}
		return p
	case errors.Is(err, apikey.ErrRefused):
		requestState.err = err
		return unauthorized(err)
	case errors.Is(err, recommend.ErrUnknownItem), errors.Is(err, recommend.ErrUnknownOrder), errors.Is(err, recommend.ErrUnknownBuild),
		errors.Is(err, rules.ErrNotFound), errors.Is(err, orders.ErrNotFound):
		return newProblem(http.StatusNotFound, err.Error())
	case errors.Is(err, orders.ErrKeyReused):
		return newProblem(http.StatusUnprocessableEntity, err.Error())
	case errors.As(err, &unreadable):
		return newProblem(http.StatusUnprocessableEntity, unreadable.Problem)
	case errors.Is(err, errSignature):
		requestState.err = err
		return newProblem(http.StatusUnauthorized, err.Error())
	case errors.Is(err, errNoOrders), errors.Is(err, errNoSecret):
		return unavailable(err.Error())
	case errors.Is(err, errSecret):
		requestState.err = err
		return unavailable(errSecret.Error())
	case errors.Is(err, recommend.ErrNoBuild):
		return unavailable(recommend.ErrNoBuild.Error())
	case pg.IsMissingSchema(err):
		requestState.err = err
		return unavailable("the database has no alsobought tables yet: run alsobought migrate up")
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded), pg.IsTimeout(err):
		requestState.err = err
		return unavailable("the answer took too long; try again later")
	case pg.IsReadOnly(err):
		requestState.err = err
		return unavailable(pg.ErrReadOnly.Error())
	case pg.IsConflict(err):
		requestState.err = err
		return unavailable("the replica had to cancel this to follow its primary; try again")
	case pg.IsUnavailable(err), errors.Is(err, context.Canceled): // with the client still connected: Interrupt
		requestState.err = err
		return unavailable(errAway.Error())
	default:
		requestState.err = err
		return internalError(requestState.id)
	}
}

func isProblem(err error) bool {
	_, is := errors.AsType[*huma.ErrorModel](err)
	return is
}

func newProblem(status int, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: cmp.Or(http.StatusText(status), "Client Closed Request"), Detail: detail}
}

// internalError refers to the log and reveals nothing.
func internalError(requestID string) *huma.ErrorModel {
	return newProblem(http.StatusInternalServerError, "something went wrong; the log says what, under request id "+requestID)
}

func unavailable(detail string) error {
	return huma.ErrorWithHeaders(newProblem(http.StatusServiceUnavailable, detail), http.Header{"Retry-After": {retrySeconds}})
}

// unauthorized gives the same answer for all invalid keys, with only the public part of the reason.
func unauthorized(err error) error {
	detail := "this needs a key: send it as Authorization: Bearer KEY"
	if errors.Is(err, apikey.ErrNoKeys) {
		detail = "this needs a key, and " + apikey.ErrNoKeys.Error() + ", and send it as Authorization: Bearer KEY"
	}
	return huma.ErrorWithHeaders(newProblem(http.StatusUnauthorized, detail), http.Header{"Www-Authenticate": {"Bearer"}})
}

// forbidden says which scope the key lacks, as in RFC 6750.
func forbidden(scope apikey.Scope, has []apikey.Scope) error {
	detail := fmt.Sprintf("this needs a key with scope %s; this key has scope %s", scope, strings.Join(has, ", "))
	return huma.ErrorWithHeaders(newProblem(http.StatusForbidden, detail),
		http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope", scope="` + scope + `"`}})
}

// polish finishes all problems that huma writes, including those of its validation. It sorts the fields, so that equal
// requests get equal bytes, names them in the detail, and echoes only short values.
func polish(_ huma.Context, _ string, body any) (any, error) {
	p, ok := body.(*huma.ErrorModel)
	if !ok || len(p.Errors) == 0 {
		return body, nil
	}
	for _, e := range p.Errors {
		e.Value = short(e.Value)
		if e.Message == validation.MsgExpectedMatchExactlyOneSchema { // only items have several schemas
			e.Message = "expected a name, or an object with only name and quantity (above 0)"
		}
		if e.Location == "body" {
			e.Value = nil // the whole body
			if field, message, found := strings.Cut(e.Message, ": "); found && strings.HasPrefix(field, "body.") {
				e.Location, e.Message = field, message // from decode
			}
		}
	}
	slices.SortFunc(p.Errors, func(a, b *huma.ErrorDetail) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Message, b.Message))
	})
	said := make([]string, 0, shownErrors+1)
	for i, e := range p.Errors {
		if i == shownErrors {
			said = append(said, fmt.Sprintf("and %d more", len(p.Errors)-i))
			break
		}
		_, field, found := strings.Cut(e.Location, ".")
		if !found {
			field = e.Location
		}
		said = append(said, field+": "+e.Message)
	}
	p.Detail = strings.Join(said, "; ")
	return p, nil
}

// short returns a value that is short enough to echo, or nil.
func short(value any) any {
	const most = 100
	switch v := value.(type) {
	case string:
		if v == "" || len(v) > most {
			return nil
		}
		return v
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) { // not valid in JSON
			return nil
		}
		return v
	case bool, int64:
		return v
	default:
		return nil
	}
}

// writeProblem writes a problem where huma is not involved, e.g. for an unknown route or a panic.
func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	encode(w, p)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, newProblem(http.StatusNotFound, fmt.Sprintf("there is nothing at %q: see /docs", r.URL.Path)))
}
