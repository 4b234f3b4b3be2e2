package main

import (
	"context"
	"fmt"

	"github.com/alsobought/alsobought/internal/doctor"
)

type doctorCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *doctorCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	findings, checks, err := doctor.Run(ctx, pool)
	if err != nil {
		return err
	}
	if c.JSON {
		if findings == nil {
			findings = []doctor.Finding{}
		}
		if err := printJSON(term.stdout, findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(term.stdout, "%s: %s (expected: %s)\n", printable(f.Subject), printable(f.Problem), f.Check)
		}
		fmt.Fprintf(term.stdout, "%d checks, %d findings\n", checks, len(findings))
	}
	if len(findings) > 0 {
		return exitError(exitFailed)
	}
	return nil
}
