package dashboard

import (
	"context"
	"fmt"
	"slices"

	"github.com/alsobought/alsobought/internal/builds"
)

// diffView is what changed from one build to another.
type diffView struct {
	Before, After int64
	Ready         []int64
	Diff          *builds.Diff // nil: being compared, or nothing to compare
	Shown         int
	Part          string
}

func (d *Dashboard) diffPage(v *visit) error {
	before, err := v.id("before")
	if err != nil {
		return err
	}
	after, err := v.id("after")
	if err != nil {
		return err
	}
	view := diffView{
		Before: before, After: after, Shown: diffShown, Part: fmt.Sprintf("?before=%d&after=%d&part=1", before, after),
	}
	list, err := d.queries.BuildList(v.ctx, buildsShown)
	if err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	for _, b := range list {
		if b.Status == "ready" {
			view.Ready = append(view.Ready, b.BuildID)
		}
	}
	for _, id := range []int64{before, after} {
		if !slices.Contains(view.Ready, id) {
			return invalid{fmt.Sprintf("Build %d is no longer kept: choose two that are.", id)}
		}
	}
	f := d.diffs.ask(d, [2]int64{before, after}, func(ctx context.Context) (builds.Diff, error) {
		return builds.Compare(ctx, d.audit(), before, after, diffShown)
	})
	part := v.r.URL.Query().Get("part") != ""
	if !part {
		soon(v, f.done)
	}
	if part || isClosed(f.done) {
		if view.Diff, err = f.wait(v.ctx); err != nil {
			return err
		}
	}
	v.at("/builds/diff")
	if part {
		return v.showPart("diff", "diff", view)
	}
	return v.show("diff", fmt.Sprintf("From build %d to build %d", before, after), view)
}
