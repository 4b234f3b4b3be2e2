package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// A lost database is noticed within checkEvery + checkTimeout.
const (
	checkTimeout = time.Second
	checkEvery   = 250 * time.Millisecond
)

// probeRoutes are polled by machines.
var probeRoutes = map[string]bool{"/health": true, "/health/": true, "/livez": true, "/readyz": true}

// databaseState is the result of a check of the database.
type databaseState struct {
	at        time.Time
	connected bool
	access    pg.Access
	missing   string // why answers are unavailable though connected; "": they are not
	buildID   int64
	fresh     Freshness
	err       error
}

// probe checks the database over its own connections, so that a busy pool is not mistaken for a lost database. Checks
// run one at a time and are reused for checkEvery.
type probe struct {
	pool pg.Database
	mu   sync.Mutex
	last databaseState
}

func (p *probe) look(ctx context.Context) databaseState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last.at) < checkEvery {
		return p.last
	}
	// Others wait for the result, so it must outlive this request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	p.last = p.see(ctx)
	p.last.at = time.Now()
	return p.last
}

func (p *probe) see(ctx context.Context) databaseState {
	conn, err := pg.Connect(ctx, p.pool)
	switch {
	case pg.IsFull(err):
		// The server is up, only out of connections. Those of the pool may still work.
		access, err := pg.FindAccess(ctx, p.pool)
		if err != nil {
			return databaseState{connected: true, missing: noAnswers, err: err}
		}
		return ready(ctx, p.pool, access)
	case err != nil:
		return databaseState{err: err}
	}
	defer conn.Close(ctx) //nolint:errcheck // best-effort close
	access, err := pg.FindAccess(ctx, conn)
	if err != nil {
		return databaseState{err: err}
	}
	return ready(ctx, conn, access)
}

const noAnswers = "the database does not answer questions"

// ready asks the cheapest question: a database that answers it is ready.
func ready(ctx context.Context, database db.DBTX, access pg.Access) databaseState {
	answer, err := recommend.New(database).Ask(ctx, recommend.Popular(recommend.Options{Limit: 1}))
	s := databaseState{connected: true, access: access, buildID: answer.Metadata.BuildID, err: err}
	if fresh, err := db.New(database).BuildFreshness(ctx); err == nil {
		s.fresh.BuiltAt = fresh.BuiltAt
		if fresh.Pending >= 0 {
			s.fresh.PendingOrders = &fresh.Pending
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, recommend.ErrNoBuild):
		s.missing = recommend.ErrNoBuild.Error()
	case pg.IsMissingSchema(err):
		s.missing = "the database has no alsobought tables yet: run alsobought migrate up"
	default:
		s.missing = noAnswers
	}
	return s
}

type (
	noInput struct{}

	healthOutput struct {
		Status int
		Body   healthBody
	}
	healthBody struct {
		Status            string    `json:"status" enum:"healthy,unhealthy"`
		DatabaseConnected bool      `json:"database_connected" doc:"The database answered a query within a second."`
		Timestamp         time.Time `json:"timestamp" doc:"When the database was checked, at most a quarter of a second ago."`
		Version           string    `json:"version" doc:"Version of alsobought."`
		DatabaseBody
	}

	// DatabaseBody is the state of the database. If it is unreachable, all is unknown. (Exported for the same reason as
	// Options.)
	DatabaseBody struct {
		Freshness

		ReadOnly bool         `json:"read_only,omitempty" doc:"The database is read-only: a replica, or default_transaction_read_only is on."`
		Replica  *replicaBody `json:"replica,omitempty" doc:"Present if a hot standby answers questions."`
		Primary  *primaryBody `json:"primary,omitempty" doc:"Present if questions go to a replica and everything else to the primary."`
	}
	primaryBody struct {
		Connected bool `json:"connected" doc:"The primary is available. Orders, rules and new keys need it."`
		Answers   bool `json:"answers" doc:"The primary also answers questions, because the replica is unavailable."`
	}
	// Freshness is how far answers are behind the orders. (Exported for the same reason as Options.)
	Freshness struct {
		BuiltAt       *time.Time `json:"built_at,omitempty" doc:"When the active build finished."`
		PendingOrders *int64     `json:"pending_orders,omitempty" doc:"Orders changed since the active build, at most; 0 only if there are none."`
	}
	//nolint:lll // tags cannot be broken
	replicaBody struct {
		Streaming  bool     `json:"streaming" doc:"The replica is connected to its primary."`
		LagSeconds *float64 `json:"lag_seconds,omitempty" doc:"Maximum lag. 0 if it is streaming and has replayed everything it received; missing if it has not replayed a commit since it started."`
	}

	readyOutput struct {
		Status int
		Body   readyBody
	}
	readyBody struct {
		Status            string    `json:"status" enum:"ready,not ready"`
		DatabaseConnected bool      `json:"database_connected"`
		BuildID           int64     `json:"build_id,omitempty" doc:"The active build."`
		Missing           string    `json:"missing,omitempty" doc:"What is missing and how to fix it."`
		Timestamp         time.Time `json:"timestamp"`
		DatabaseBody
	}

	liveOutput struct{ Body liveBody }
	liveBody   struct {
		Status string `json:"status" enum:"alive"`
	}
)

func (a *API) health() {
	operation := huma.Operation{
		OperationID: "health",
		Path:        "/health",
		Summary:     "Check the database",
		Description: "Healthy if a new database connection answers a query within a second, however busy the others are.",
	}
	register(a, requirements{}, probing[healthBody](a.routes, operation, "The database does not respond."), a.healthy)
	operation.OperationID, operation.Path = "health-slash", "/health/"
	operation.Description = "Same as /health, for clients of the earlier service."
	register(a, requirements{}, probing[healthBody](a.routes, operation, "The database does not respond."), a.healthy)

	register(a, requirements{}, probing[readyBody](a.routes, huma.Operation{
		OperationID: "readyz",
		Path:        "/readyz",
		Summary:     "Check readiness",
		Description: "Ready if the database is available and has an active build, and the server is not shutting down.",
	}, "Not ready; the body says why."), a.ready)
	register(a, requirements{}, probing[liveBody](a.routes, huma.Operation{
		OperationID: "livez",
		Path:        "/livez",
		Summary:     "Check liveness",
		Description: "Always 200 while the process runs. It does not depend on the database, because a restart would not bring that back.",
	}, ""), func(context.Context, *noInput) (*liveOutput, error) {
		return &liveOutput{liveBody{"alive"}}, nil
	})
}

func (a *API) healthy(ctx context.Context, _ *noInput) (*healthOutput, error) {
	s, database := a.look(ctx)
	out := &healthOutput{http.StatusOK, healthBody{"healthy", s.connected, moment(s.at), a.Version, database}}
	if !s.connected {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "unhealthy"
		stateOf(ctx).err = s.err
	}
	return out, nil
}

func (a *API) ready(ctx context.Context, _ *noInput) (*readyOutput, error) {
	s, database := a.look(ctx)
	out := &readyOutput{http.StatusOK, readyBody{"ready", s.connected, s.buildID, s.missing, moment(s.at), database}}
	if !s.connected {
		out.Body.Missing = "the database cannot be reached"
	}
	if a.draining.Load() {
		out.Body.Missing = "the server is stopping"
	}
	if out.Body.Missing != "" {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "not ready"
		stateOf(ctx).err = s.err
	}
	return out, nil
}

// look checks the database that answers questions and the primary.
func (a *API) look(ctx context.Context) (databaseState, DatabaseBody) {
	if a.reads == a.primary {
		s := a.primary.probe.look(ctx)
		return s, s.database()
	}
	var primary databaseState
	var looking sync.WaitGroup
	looking.Go(func() { primary = a.primary.probe.look(ctx) })
	s := a.reads.probe.look(ctx)
	looking.Wait()
	answers := !s.connected && primary.connected
	if answers {
		s = primary
	}
	body := s.database()
	body.ReadOnly = primary.access.ReadOnly
	body.Primary = &primaryBody{primary.connected, answers}
	return s, body
}

func (s databaseState) database() DatabaseBody {
	body := DatabaseBody{Freshness: s.fresh, ReadOnly: s.access.ReadOnly}
	if r := s.access.Replica; r != nil {
		body.Replica = &replicaBody{Streaming: r.Streaming}
		if r.Lag != nil {
			seconds := r.Lag.Seconds()
			body.Replica.LagSeconds = &seconds
		}
	}
	return body
}

func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
