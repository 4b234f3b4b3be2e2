package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/webhook"
)

// rebuilding configures automatic builds of a server.
//
//nolint:lll // tags cannot be broken
type rebuilding struct {
	RebuildAfter int64         `env:"ALSOBOUGHT_REBUILD_AFTER" default:"1000" placeholder:"ORDERS" help:"Rebuild when this many orders changed; 0 for never (default ${default})."`
	RebuildEvery time.Duration `env:"ALSOBOUGHT_REBUILD_EVERY" default:"5m" placeholder:"DURATION" help:"Rebuild when orders changed and the active build is this old; 0 for never (default ${default})."`
}

// Validate is called by listening.Validate.
func (r *rebuilding) Validate() error {
	if r.RebuildAfter < 0 || r.RebuildEvery < 0 {
		return errors.New("--rebuild-after and --rebuild-every must be 0 or more")
	}
	return nil
}

// hooking configures the signing secrets of webhooks.
//
//nolint:lll // tags cannot be broken
type hooking struct {
	ShopifySecretFile     string `env:"ALSOBOUGHT_SHOPIFY_SECRET_FILE" placeholder:"FILE" help:"Shopify webhook secrets, one per line."`
	WooCommerceSecretFile string `name:"woocommerce-secret-file" env:"ALSOBOUGHT_WOOCOMMERCE_SECRET_FILE" placeholder:"FILE" help:"WooCommerce webhook secrets, one per line."`
}

// check returns an error unless all secrets can be read.
func (h *hooking) check() error {
	for _, file := range []struct{ flag, path string }{
		{"--shopify-secret-file", h.ShopifySecretFile}, {"--woocommerce-secret-file", h.WooCommerceSecretFile},
	} {
		if file.path == "" {
			continue
		}
		if _, err := webhook.Secrets(file.path); err != nil {
			return fmt.Errorf("%s: %v", file.flag, err) //nolint:errorlint // a missing file would be reported without the flag
		}
	}
	return nil
}

// takeOrders makes the API take orders, and rebuilds in the background. Requests have the limits of the service; rebuilds
// have none. stop returns when the last build has finished. A nil loader takes no orders.
func (l *listening) takeOrders(ctx context.Context, cfg *httpapi.Config, loader *pgxpool.Pool, s pg.Service) (stop func(), err error) {
	if loader == nil {
		return func() {}, nil
	}
	taking, err := pg.Serving(ctx, loader, s)
	if err != nil {
		return nil, err
	}
	cfg.Orders = orders.NewStore(taking.Pool, version)
	cfg.ShopifySecret, cfg.WooCommerceSecret = l.ShopifySecretFile, l.WooCommerceSecretFile
	wait := l.follow(ctx, loader, cfg.Logger)
	return func() { wait(); taking.Close() }, nil
}

// follow builds in the background until ctx is done. wait returns when the last build has finished.
func (r *rebuilding) follow(ctx context.Context, loader *pgxpool.Pool, logger *slog.Logger) (wait func()) {
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() {
		builds.Follow(ctx, loader, builds.Schedule{After: r.RebuildAfter, Every: r.RebuildEvery},
			builds.Options{Keep: builds.DefaultKeep, BuiltBy: whoami(), Version: version}, logger)
	})
	return func() { stop(); following.Wait() }
}

// loaderConns is how many connections requests about orders may use, and as many builds and the dashboard's loads.
const loaderConns = 6

// openLoader returns a pool with a role that may load and build, at url or else on the database of pool. If the role
// may not, it returns nil and says why.
func openLoader(
	ctx context.Context, term *terminal, pool *pgxpool.Pool, url, passwordFile string,
) (loader *pgxpool.Pool, err error) {
	if url == "" {
		loader, err = pg.Beside(ctx, pool, loaderConns)
	} else {
		loader, err = pg.Open(ctx, url, loaderConns, withPassword(passwordFile)...)
		if err != nil {
			err = flagError{"--load-url", err}
		}
	}
	if err != nil {
		return nil, err
	}
	pooled, err := pg.IsPooled(ctx, loader)
	if err == nil && pooled && url != "" {
		err = pg.ErrPooled
	}
	if err != nil || pooled {
		loader.Close()
		if err == nil {
			fmt.Fprintln(term.stderr, "alsobought: DATABASE_URL goes through a pooler in transaction mode: orders over HTTP "+
				"and rebuilds are off (set --load-url to a direct URL)")
		}
		return nil, err
	}
	acting, err := pg.ActAsOwner(ctx, loader, "item_stats")
	if err != nil {
		loader.Close()
		return nil, err
	}
	may, err := db.New(acting).RoleMayRecover(ctx)
	switch {
	case err != nil:
		acting.Close()
		return nil, fmt.Errorf("check whether the role may load: %w", err)
	case !may:
		acting.Close()
		fmt.Fprintln(term.stderr, "alsobought: this database role may not load: "+
			"orders over HTTP and rebuilds are off (see --load-url)")
		return nil, nil //nolint:nilnil // nobody may
	}
	return acting, nil
}
