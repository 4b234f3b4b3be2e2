package main

import (
	"context"
	"fmt"
)

type serveCommand struct {
	listening
	LoadURL          string `env:"ALSOBOUGHT_LOAD_URL" placeholder:"URL" help:"Connection for taking orders and rebuilding, if the DATABASE_URL role lacks the rights."`
	LoadPasswordFile string `env:"ALSOBOUGHT_LOAD_PASSWORD_FILE" placeholder:"FILE" help:"File with the password."`
}

func (c *serveCommand) Run(ctx context.Context, term *terminal, d *database) error {
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has closed it
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
	return c.serve(ctx, term, listener, pool, loader, func() {
		fmt.Fprintf(term.stdout, "alsobought %s answers on http://%s (docs at /docs, Ctrl-C to stop)\n", version, listener.Addr())
	})
}
