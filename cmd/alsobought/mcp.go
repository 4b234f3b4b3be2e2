package main

import (
	"context"
	"errors"

	"github.com/alsobought/alsobought/internal/mcp"
)

type mcpCommand struct{}

func (c *mcpCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	err = mcp.Serve(ctx, mcp.Config{Database: pool, Version: version, Around: inOneLine}, term.stdin, term.stdout)
	if ctx.Err() != nil {
		return nil // being interrupted is a normal exit
	}
	return err
}

// inOneLine formats the errors of a tool as the command line does.
func inOneLine(ctx context.Context, call func(context.Context) error) error {
	if err := call(ctx); err != nil {
		return errors.New(message(ctx, err))
	}
	return nil
}
