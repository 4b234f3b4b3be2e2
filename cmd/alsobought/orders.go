package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
)

type ordersCommand struct {
	Delete ordersDeleteCommand `cmd:"" help:"Permanently delete orders (erasure requests, mistakes), then build."`
}

type ordersDeleteCommand struct {
	IDs      []string `arg:"" optional:"" name:"id" help:"Order IDs, as in your files."`
	Customer string   `placeholder:"ID" help:"Delete all orders of this customer instead."`
	Reason   string   `default:"not given" help:"Reason, for the audit (default ${default})."`
	NoBuild  bool     `help:"Delete without building; answers change with the next build."`
}

func (c *ordersDeleteCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if (len(c.IDs) == 0) == (c.Customer == "") {
		return usageError{errors.New("name the orders to delete, or --customer")}
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	audit := load.Deletion{Reason: c.Reason, DeletedBy: whoami(), Version: version}
	var deleted db.OrderDeletion
	if c.Customer != "" {
		deleted, err = load.DeleteCustomer(ctx, pool, c.Customer, audit)
	} else {
		deleted, err = load.DeleteOrders(ctx, pool, c.IDs, audit)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "deleted %s with %s, and the values of %s\n",
		counted(deleted.Orders, "order"), counted(deleted.Lines, "line"), counted(deleted.Rejects, "reject"))
	return buildAfter(ctx, term, pool, c.NoBuild)
}
