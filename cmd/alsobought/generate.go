package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/internal/sample"
)

// scaleFlag is the size of the sample.
type scaleFlag struct {
	Scale int `default:"1" help:"Size of the sample: 1 is 154,167 orders (default ${default})."`
}

// Validate is called by kong after parsing.
func (f *scaleFlag) Validate() error {
	if f.Scale < 1 || f.Scale > sample.MaxScale {
		return fmt.Errorf("scale is %d: choose 1 to %d", f.Scale, sample.MaxScale)
	}
	return nil
}

type generateCommand struct {
	scaleFlag
	Seed uint64 `default:"1" help:"The same seed writes the same bytes (default ${default})."`
}

func (c *generateCommand) Run(ctx context.Context, term *terminal) error {
	_, err := sample.Write(contextWriter{ctx, term.stdout}, sample.Config{Scale: c.Scale, Seed: c.Seed})
	return err
}

// contextWriter is a writer that fails once ctx is done.
type contextWriter struct {
	ctx context.Context //nolint:containedctx // an io.Writer has no other way to get it
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
