package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
)

type ordersCommand struct {
	Delete ordersDeleteCommand `cmd:"" help:"Delete orders for good (refunds, requests to be forgotten), then build."`
}

type ordersDeleteCommand struct {
	IDs      []string `arg:"" optional:"" name:"id" help:"Ids of orders, as the business knows them."`
	Customer string   `placeholder:"ID" help:"Delete all orders of a customer instead."`
	Reason   string   `default:"not given" help:"Why, for the audit (${default})."`
	NoBuild  bool     `help:"Only delete; answers change with the next build."`
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
	fmt.Fprintf(term.stdout, "deleted %s orders with %s lines, and what %s rejects said\n",
		grouped(deleted.Orders), grouped(deleted.Lines), grouped(deleted.Rejects))
	return buildAfter(ctx, term, pool, c.NoBuild)
}
