package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

var errNoPage = errors.New("no such page")

// forbidden is what a key may not do.
type forbidden struct{ scope apikey.Scope }

func (f forbidden) Error() string { return "this needs a key with scope " + f.scope }

// invalid is what is wrong with what somebody asked for, in a sentence.
type invalid struct{ problem string }

func (i invalid) Error() string { return i.problem }

// trouble answers with a page that says what is wrong and what to do. What is nobody's business goes to the log.
func (v *visit) trouble(err error) {
	status, title, problem := explain(v.ctx, err)
	id := v.w.Header().Get("X-Request-ID")
	switch status {
	case http.StatusInternalServerError:
		problem = "See the log for request ID " + id + "."
		v.d.Logger.ErrorContext(v.ctx, "dashboard", slog.Any("error", err), slog.String("request_id", id))
	case http.StatusServiceUnavailable:
		v.d.Logger.WarnContext(v.ctx, "dashboard", slog.Any("error", err), slog.String("request_id", id))
		v.w.Header().Set("Retry-After", "5")
	}
	if err := v.showStatus(status, "trouble", title, map[string]string{"Problem": problem}); err != nil {
		panic(err) // the template is wrong
	}
}

// explain is what an error is to somebody who looks at a page.
func explain(ctx context.Context, err error) (status int, title, problem string) {
	const away = "The database did not answer. Try again in a moment."
	var (
		scope   forbidden
		wrong   invalid
		askedOf *recommend.InvalidError
		ofRule  rules.InvalidError
	)
	switch {
	case errors.Is(err, errNoPage):
		return http.StatusNotFound, "Page not found", "It may have moved: use the navigation."
	case errors.As(err, &scope):
		return http.StatusForbidden, "Your key does not allow this",
			"It needs the scope " + scope.scope + ". Sign in with another key, or ask the person who created yours."
	case errors.As(err, &wrong):
		return http.StatusUnprocessableEntity, "That did not work", wrong.problem
	case errors.As(err, &askedOf):
		return http.StatusUnprocessableEntity, "That did not work", sentence(askedOf.Error())
	case errors.As(err, &ofRule):
		return http.StatusUnprocessableEntity, "That did not work", sentence(ofRule.Error())
	case errors.Is(err, recommend.ErrUnknownItem), errors.Is(err, recommend.ErrUnknownBuild),
		errors.Is(err, recommend.ErrUnknownOrder), errors.Is(err, rules.ErrNotFound):
		return http.StatusNotFound, "Not found", sentence(err.Error())
	case errors.Is(err, recommend.ErrNoBuild):
		return http.StatusServiceUnavailable, "Nothing to show yet", sentence(recommend.ErrNoBuild.Error())
	case pg.IsDenied(err):
		return http.StatusServiceUnavailable, "This server may not read this",
			"Its database role lacks a privilege: see docs/roles.md, or use alsobought in a shell."
	case pg.IsMissingSchema(err):
		return http.StatusServiceUnavailable, "The database is not set up", "Run alsobought migrate up."
	case pg.IsReadOnly(err):
		return http.StatusServiceUnavailable, "This server is read-only",
			"It uses a standby of the database. Use the server of the primary."
	case pg.IsUnavailable(err), pg.IsTimeout(err), context.Cause(ctx) != nil:
		return http.StatusServiceUnavailable, "The database is unavailable", away
	}
	return http.StatusInternalServerError, "Something went wrong", ""
}
