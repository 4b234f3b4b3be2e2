package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/internal/sample"
)

// scaleFlag is how many sample orders to make.
type scaleFlag struct {
	Scale int `default:"1" help:"Size of the sample: 1 is 154,167 orders (default ${default})."`
}

// Validate is called when the flags are read.
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
	_, err := sample.Write(writerUntil{ctx, term.stdout}, sample.Config{Scale: c.Scale, Seed: c.Seed})
	return err
}

// writerUntil writes until ctx ends.
type writerUntil struct {
	ctx context.Context //nolint:containedctx // that is what it is for
	w   io.Writer
}

func (u writerUntil) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
