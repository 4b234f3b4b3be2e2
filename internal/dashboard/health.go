package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// healthView is how the server is, and who may use it.
type healthView struct {
	Fresh    db.BuildFreshnessRow
	Server   db.ServerGetRow
	Access   pg.Access
	Lag      string // of a replica
	Replicas []db.ReplicaListRow
	Pool     poolView
	Loader   *poolView // nil: nobody may load here
	Cache    *recommend.Stats
	Lookups  int64 // of the cache
	Keys     []keyRow
	Form     keyForm
	Began    time.Time
}

// poolView is how busy a pool is.
type poolView struct {
	Busy, Open, Most int32
	Waited           int64 // acquisitions that had to wait
}

func poolOf(pool *pg.Pool) poolView {
	s := pool.Stat()
	return poolView{s.AcquiredConns(), s.TotalConns(), s.MaxConns(), s.EmptyAcquireCount()}
}

// keyRow is a key as a list has it.
type keyRow struct {
	apikey.Key

	Stands string // usable, expired or revoked
	Own    bool   // the visitor's
}

func (d *Dashboard) healthScreen(v *visit) error {
	return v.showHealth(http.StatusOK, keyForm{Scopes: apikey.Usual})
}

func (v *visit) showHealth(status int, form keyForm) (err error) {
	d := v.d
	view := healthView{Form: form, Pool: poolOf(d.Pool), Began: d.began}
	if view.Fresh, err = d.queries.BuildFreshness(v.ctx); err != nil {
		return fmt.Errorf("read build: %w", err)
	}
	if view.Server, err = d.queries.ServerGet(v.ctx); err != nil {
		return fmt.Errorf("read the state of the database: %w", err)
	}
	if view.Access, err = pg.FindAccess(v.ctx, d.Pool); err != nil {
		return fmt.Errorf("read the state of the database: %w", err)
	}
	view.Server.ServerVersion, _, _ = strings.Cut(view.Server.ServerVersion, " ") // what packagers add is long
	view.Lag = sentence(view.Access.String())
	if view.Replicas, err = d.queries.ReplicaList(v.ctx); err != nil {
		return fmt.Errorf("list replicas: %w", err)
	}
	if d.Loader != nil {
		loader := poolOf(d.Loader)
		view.Loader = &loader
	}
	if d.CacheStats != nil {
		stats := d.CacheStats()
		view.Cache, view.Lookups = &stats, stats.Hits+stats.Misses
	}
	if v.may(apikey.Admin) {
		keys, err := apikey.List(v.ctx, d.Pool, keysShown)
		if err != nil {
			return err
		}
		for _, k := range keys {
			view.Keys = append(view.Keys, keyRow{k, k.State(time.Now()), k.KeyID == v.key.KeyID})
		}
	}
	v.at("/health")
	return v.showStatus(status, "health", "Keys and health", view)
}
