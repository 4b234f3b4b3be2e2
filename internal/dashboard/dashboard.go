package dashboard

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Config of the dashboard. Only Pool is needed.
type Config struct {
	Pool    *pg.Pool
	Loader  *pg.Pool     // may load, build and check; nil: nobody may, here
	Version string       // of the program
	Logger  *slog.Logger // nil discards

	// MaxUpload is how many bytes may be uploaded at once, into the temporary directory; 0 is 1 GiB.
	MaxUpload int64

	// CacheStats says how the cache of answers does; nil: there is none.
	CacheStats func() recommend.Stats

	OpenReads bool // what answers questions is shown without a key

	// Guest is whom everybody is taken for who comes by a name of this machine, and is not signed in. The zero Key is
	// nobody. For a throw-away database that listens on loopback only.
	Guest apikey.Key
}

// base is where the dashboard is.
const base = "/dashboard"

// open is the scope of what everybody sees where questions need no key.
const open = ""

// screen is one place of the navigation.
type screen struct {
	Path  string // behind base
	Name  string
	Icon  string // of parts.html
	scope apikey.Scope
	show  func(*Dashboard, *visit) error
}

// screens is the navigation, in its order.
func screens() []screen {
	return []screen{
		{"/", "Overview", "overview", open, (*Dashboard).overview},
		{"/item", "Items", "item", open, (*Dashboard).item},
		{"/basket", "Basket", "basket", open, (*Dashboard).basket},
		{"/rules", "Rules", "rules", apikey.Read, (*Dashboard).rulesScreen},
		{"/loads", "Loads", "loads", apikey.Read, (*Dashboard).loadsScreen},
		{"/builds", "Builds", "builds", apikey.Read, (*Dashboard).buildsScreen},
		{"/quality", "Data quality", "quality", apikey.Read, (*Dashboard).qualityScreen},
		{"/health", "Keys and health", "health", apikey.Read, (*Dashboard).healthScreen},
	}
}

// Dashboard is the whole of it as one handler. It has to be closed.
type Dashboard struct {
	Config

	handler     http.Handler
	mux         *http.ServeMux
	screens     []screen
	queries     *db.Queries
	recommender *recommend.Recommender
	assets      *assets
	life        context.Context //nolint:containedctx // of what outlives requests
	end         context.CancelFunc
	work        sync.WaitGroup

	names    kept[db.SearchVersionGetRow, names]
	answers  kept[string, sources]
	coverage kept[int64, coverage]
	checks   kept[struct{}, checkup]

	began        time.Time
	uploads      uploads
	builder      builder
	qualities    kept[int64, load.Quality] // of loads
	revertCounts kept[int64, load.RevertCounts]
	reverted     kept[int64, db.Load]
	diffs        kept[[2]int64, builds.Diff]
	quality      kept[[2]int64, dataQuality] // by build and the size of the catalogue
}

// New returns the dashboard of cfg.
func New(cfg Config) *Dashboard {
	cfg.Version = cmp.Or(cfg.Version, "dev")
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, usualUpload)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dashboard{
		Config:      cfg,
		mux:         http.NewServeMux(),
		screens:     screens(),
		queries:     db.New(cfg.Pool),
		recommender: recommend.New(cfg.Pool),
		assets:      readAssets(),
		began:       time.Now(),
	}
	d.life, d.end = context.WithCancel(context.Background())
	d.mux.Handle("GET "+base+"/assets/", d.assets)
	d.mux.Handle("GET "+base, http.RedirectHandler(base+"/", http.StatusMovedPermanently))
	for _, s := range d.screens {
		path := base + s.Path
		if strings.HasSuffix(path, "/") {
			path += "{$}"
		}
		d.see(path, s.scope, s.show)
	}
	d.act("/rules", apikey.Write, (*Dashboard).addRule)
	d.act("/rules/end", apikey.Write, (*Dashboard).endRule)
	d.operating()
	d.act("/checks", apikey.Write, (*Dashboard).runChecks)
	d.signing()
	d.mux.Handle("GET "+base+"/", d.visited(open, func(*Dashboard, *visit) error { return errNoPage }))
	// Browsers tell where a request comes from; one from another site changes nothing here.
	d.handler = http.NewCrossOriginProtection().Handler(d.mux)
	return d
}

// see adds a page.
func (d *Dashboard) see(path string, scope apikey.Scope, show func(*Dashboard, *visit) error) {
	d.mux.Handle("GET "+path, d.visited(scope, show))
}

// act adds an action, which a form is posted to.
func (d *Dashboard) act(path string, scope apikey.Scope, do func(*Dashboard, *visit) error) {
	d.mux.Handle("POST "+base+path, d.visited(scope, do))
}

// ServeHTTP answers a request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// Close ends what goes on between requests, and waits for it.
func (d *Dashboard) Close() {
	d.end()
	d.work.Wait()
	d.uploads.dropAll()
}

// audit is who may read all that is known of loads, and check the data: the server's own role need not.
func (d *Dashboard) audit() *pg.Pool {
	if d.Loader != nil {
		return d.Loader
	}
	return d.Pool
}

// logFailure is of what goes on between requests.
func (d *Dashboard) logFailure(ctx context.Context, what string, err error) {
	d.Logger.ErrorContext(ctx, "dashboard", slog.String("part", what), slog.Any("error", err))
}

// visit is one request, and who makes it.
type visit struct {
	d     *Dashboard
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context //nolint:containedctx // the request's
	key   apikey.Key      // the zero Key is nobody's
	guest bool            // the key is Config.Guest
	here  string          // the path of the screen, for the navigation
}

// signedIn reports whether the visitor came with a key.
func (v *visit) signedIn() bool { return v.key.Name != "" }

// may reports whether the visitor may see or do what needs a scope.
func (v *visit) may(scope apikey.Scope) bool {
	if scope == open {
		return v.d.OpenReads || v.signedIn() && v.key.May(apikey.Read)
	}
	return v.signedIn() && v.key.May(scope)
}

// whole reports whether the visitor wants a page with all that would otherwise be filled in later.
func (v *visit) whole() bool { return v.r.URL.Query().Get("whole") == "1" }

// maxForm is how many bytes a form may have that is no upload.
const maxForm = 1 << 20

// visited lets those in whose key has the scope, and the others sign in.
func (d *Dashboard) visited(scope apikey.Scope, handle func(*Dashboard, *visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{d: d, w: w, r: r, ctx: r.Context(), here: strings.TrimPrefix(r.URL.Path, base)}
		err := v.recognise()
		switch {
		case err != nil:
		case v.may(scope):
			err = handle(d, v)
		case v.signedIn():
			err = forbidden{scope}
		default:
			v.askToSignIn()
		}
		if err != nil {
			v.trouble(err)
		}
	})
}
