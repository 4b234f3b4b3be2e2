package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/sample"
)

type demoCommand struct {
	listening
	scaleFlag
}

// Run always uses its own private PostgreSQL, whatever DATABASE_URL is, so that sample orders cannot end up in a real
// database.
func (c *demoCommand) Run(ctx context.Context, term *terminal, d *database) (err error) {
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has already closed it
	data, remove, err := throwawayDatabase(d.PgBin)
	if err != nil {
		return err
	}
	defer remove()

	began := time.Now()
	if d.DatabaseURL != "" {
		fmt.Fprintln(term.stdout, "The demo does not use DATABASE_URL.")
	}
	fmt.Fprintln(term.stdout, "Starting a throw-away PostgreSQL ...")
	pool, closeAll, err := data.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := c.fill(ctx, term, pool); err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "Ready after %.1f s.\n", time.Since(began).Seconds())
	if isLocal(listener.Addr()) {
		c.guest = apikey.Key{Name: "demo", Scopes: []apikey.Scope{apikey.Admin}}
	}
	return c.serve(ctx, term, listener, pools{primary: pool, loader: pool},
		func() { c.invite(term, listener.Addr(), pool.Config().ConnString()) })
}

func (c *demoCommand) fill(ctx context.Context, term *terminal, pool *pgxpool.Pool) error {
	orders := datafile.Source{Name: "sample orders", Open: func() (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() {
			_, err := sample.Write(writer, sample.Config{Scale: c.Scale, Seed: 1})
			writer.CloseWithError(err)
		}()
		return reader, nil
	}}
	loaded, err := load.Run(ctx, pool, []datafile.Source{orders}, load.Options{LoadedBy: whoami(), Version: version})
	if err != nil {
		return err
	}
	printLoad(term.stdout, loaded.Load, nil)
	built, err := builds.Run(ctx, pool, builds.Options{
		Settings: builds.DefaultSettings(), Keep: builds.DefaultKeep, BuiltBy: whoami(), Version: version,
	})
	if err != nil {
		return err
	}
	printBuild(term.stdout, built)
	return nil
}

func (c *demoCommand) invite(term *terminal, addr net.Addr, databaseURL string) {
	base := "http://" + addr.String()
	fmt.Fprintf(term.stdout, `
The API is listening on %[1]s. Try, in another terminal:

  curl '%[1]s/api/v1/popular-items?limit=5'
  curl '%[1]s/api/v1/similar-items/PID'
  curl '%[1]s/api/v1/similar-items/Cal%%20Kit%%20-%%20Std%%20-%%2034L%%20Regulator%%20100PPM/Tedlar%%20Bag'
  curl -H 'Content-Type: application/json' -d '{"items":["PID","YSI"],"limit":5}' %[1]s/api/v1/basket-recommendations
  curl '%[1]s/api/v1/recommendations/R100001'
  curl '%[1]s/api/v1/explain?item=PID&other=Gloves'

  psql '%[2]s' -c "SELECT item_name, orders_together, confidence FROM reporting.similar_items('PID', 5)"

The dashboard is at %[1]s/, the documentation of the API at %[1]s/docs.
Ctrl-C ends the demo and leaves nothing behind.

`, base, databaseURL)
}
