package main

import (
	"context"
	"errors"
	"fmt"
)

type serveCommand struct {
	listening
	ReadURL          string `env:"ALSOBOUGHT_READ_URL" placeholder:"URL" help:"Replica that answers questions; everything else uses the primary, DATABASE_URL."`
	ReadPasswordFile string `env:"ALSOBOUGHT_READ_PASSWORD_FILE" placeholder:"FILE" help:"File with the password."`
	LoadURL          string `env:"ALSOBOUGHT_LOAD_URL" placeholder:"URL" help:"Connection for orders and rebuilds, if the role in DATABASE_URL may not load."`
	LoadPasswordFile string `env:"ALSOBOUGHT_LOAD_PASSWORD_FILE" placeholder:"FILE" help:"File with the password."`
}

func (c *serveCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if c.ReadURL != "" && d.DatabaseURL == "" {
		return usageError{errors.New("--read-url requires the URL of its primary in DATABASE_URL")}
	}
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has already closed it
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	loader, err := openLoader(ctx, term, pool, c.LoadURL, c.LoadPasswordFile)
	if err != nil {
		return err
	}
	if loader != nil {
		defer loader.Close()
	}
	replica, err := openReplica(ctx, pool, c.ReadURL, c.ReadPasswordFile)
	if err != nil {
		return err
	}
	if replica != nil {
		defer replica.Close()
	}
	return c.serve(ctx, term, listener, pools{pool, replica, loader}, func() {
		fmt.Fprintf(term.stdout, "alsobought %s is listening on http://%s (docs at /docs, Ctrl-C to stop)\n",
			version, listener.Addr())
	})
}
