package main

import (
	"context"
	"fmt"
)

type serveCommand struct {
	listening
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
	return c.serve(ctx, term, listener, pool, func() {
		fmt.Fprintf(term.stdout, "alsobought %s answers on http://%s (docs at /docs, Ctrl-C to stop)\n", version, listener.Addr())
	})
}
