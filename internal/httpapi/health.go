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

// A lost database is noticed within lookEvery + lookTimeout.
const (
	lookTimeout = time.Second
	lookEvery   = 250 * time.Millisecond
)

// probeRoutes are polled by machines.
var probeRoutes = map[string]bool{"/health": true, "/health/": true, "/livez": true, "/readyz": true}

// sight is the result of a check of the database.
type sight struct {
	at        time.Time
	connected bool
	access    pg.Access
	missing   string // why answers are unavailable though connected; "": they are not
	buildID   int64
	fresh     Freshness
	err       error
}

// probe checks the database over its own connections, so that a busy pool is not mistaken for a lost database. Checks
// run one at a time and are reused for lookEvery.
type probe struct {
	pool pg.Database
	mu   sync.Mutex
	last sight
}

func (p *probe) look(ctx context.Context) sight {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last.at) < lookEvery {
		return p.last
	}
	// Others wait for the result, so it must outlive this request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	p.last = p.see(ctx)
	p.last.at = time.Now()
	return p.last
}

func (p *probe) see(ctx context.Context) sight {
	conn, err := pg.Connect(ctx, p.pool)
	switch {
	case pg.IsFull(err):
		// The server is up, only out of connections. Those of the pool may still work.
		access, err := pg.FindAccess(ctx, p.pool)
		if err != nil {
			return sight{connected: true, missing: noAnswers, err: err}
		}
		return ready(ctx, p.pool, access)
	case err != nil:
		return sight{err: err}
	}
	defer conn.Close(ctx) //nolint:errcheck // best-effort close
	access, err := pg.FindAccess(ctx, conn)
	if err != nil {
		return sight{err: err}
	}
	return ready(ctx, conn, access)
}

const noAnswers = "the database does not answer questions"

// ready asks the cheapest question: a database that answers it is ready.
func ready(ctx context.Context, database db.DBTX, access pg.Access) sight {
	answer, err := recommend.New(database).Ask(ctx, recommend.Popular(recommend.Options{Limit: 1}))
	s := sight{connected: true, access: access, buildID: answer.Metadata.BuildID, err: err}
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
		DatabaseConnected bool      `json:"database_connected" doc:"A query was answered within a second."`
		Timestamp         time.Time `json:"timestamp" doc:"When the database was looked at: at most a quarter of a second ago."`
		Version           string    `json:"version" doc:"Of the program."`
		DatabaseBody
	}

	// DatabaseBody is the state of the database. If it is unreachable, all is unknown. (Exported for the same reason as
	// Options.)
	DatabaseBody struct {
		Freshness

		ReadOnly bool         `json:"read_only,omitempty" doc:"Nothing can be changed: a replica, or default_transaction_read_only."`
		Replica  *replicaBody `json:"replica,omitempty" doc:"Only where a hot standby answers questions."`
		Primary  *primaryBody `json:"primary,omitempty" doc:"Only where questions go to a replica, and the rest to the primary."`
	}
	primaryBody struct {
		Connected bool `json:"connected" doc:"It can be asked: orders, rules and new keys need it."`
		Answers   bool `json:"answers" doc:"It answers questions, too, because the replica is away."`
	}
	// Freshness is how far answers are behind the orders. (Exported for the same reason as Options.)
	Freshness struct {
		BuiltAt       *time.Time `json:"built_at,omitempty" doc:"When the active build was finished."`
		PendingOrders *int64     `json:"pending_orders,omitempty" doc:"Orders added, changed or deleted since it looked, at most; 0 only if there are none."`
	}
	//nolint:lll // tags cannot be broken
	replicaBody struct {
		Streaming  bool     `json:"streaming" doc:"It is connected to its primary."`
		LagSeconds *float64 `json:"lag_seconds,omitempty" doc:"How far behind it is at most: 0 when it streams and has replayed all that arrived, missing when it has replayed no commit since it started."`
	}

	readyOutput struct {
		Status int
		Body   readyBody
	}
	readyBody struct {
		Status            string    `json:"status" enum:"ready,not ready"`
		DatabaseConnected bool      `json:"database_connected"`
		BuildID           int64     `json:"build_id,omitempty" doc:"The active build."`
		Missing           string    `json:"missing,omitempty" doc:"What is missing, and what to do."`
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
		Summary:     "Is the database there?",
		Description: "Healthy if a new connection to the database answers a query within a second, however busy the others are.",
	}
	register(a, demand{}, probing[healthBody](a.routes, operation, "The database does not answer."), a.healthy)
	operation.OperationID, operation.Path = "health-slash", "/health/"
	operation.Description = "The same as /health, for clients of the service before this one."
	register(a, demand{}, probing[healthBody](a.routes, operation, "The database does not answer."), a.healthy)

	register(a, demand{}, probing[readyBody](a.routes, huma.Operation{
		OperationID: "readyz",
		Path:        "/readyz",
		Summary:     "Can questions be answered?",
		Description: "Ready if the database is there and has an active build, and the server is not about to stop.",
	}, "Something is missing; the body says what."), a.ready)
	register(a, demand{}, probing[liveBody](a.routes, huma.Operation{
		OperationID: "livez",
		Path:        "/livez",
		Summary:     "Does the process serve?",
		Description: "Always 200 while it does. Restarting the process is no cure for a database that is gone.",
	}, ""), func(context.Context, *noInput) (*liveOutput, error) {
		return &liveOutput{liveBody{"alive"}}, nil
	})
}

func (a *API) healthy(ctx context.Context, _ *noInput) (*healthOutput, error) {
	s, database := a.look(ctx)
	out := &healthOutput{http.StatusOK, healthBody{"healthy", s.connected, moment(s.at), a.Version, database}}
	if !s.connected {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "unhealthy"
		exchangeOf(ctx).err = s.err
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
		exchangeOf(ctx).err = s.err
	}
	return out, nil
}

// look checks the database that answers questions and the primary.
func (a *API) look(ctx context.Context) (sight, DatabaseBody) {
	if a.reads == a.primary {
		s := a.primary.probe.look(ctx)
		return s, s.database()
	}
	var primary sight
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

func (s sight) database() DatabaseBody {
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
