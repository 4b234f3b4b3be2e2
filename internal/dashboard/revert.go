package dashboard

import (
	"context"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
)

// revertView is what a revert takes out.
type revertView struct {
	Load    db.Load
	Counts  *load.RevertCounts // nil: being counted
	MayLoad bool
}

func (d *Dashboard) revertPage(v *visit) error {
	l, err := d.findLoad(v)
	if err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	if l.Status != "loaded" {
		return invalid{fmt.Sprintf("Load %d is %s: there is nothing to revert.", l.LoadID, l.Status)}
	}
	view := revertView{Load: l, MayLoad: true}
	if !v.whole() && v.r.URL.Query().Get("part") == "" {
		d.revertCounts.forget() // other loads may have come since
	}
	f := d.revertCounts.ask(d, l.LoadID, func(ctx context.Context) (load.RevertCounts, error) {
		return load.PreviewRevert(ctx, d.Loader, l.LoadID)
	})
	part := v.r.URL.Query().Get("part") != ""
	if !part {
		soon(v, f.done)
	}
	if part || isClosed(f.done) {
		if view.Counts, err = f.wait(v.ctx); err != nil {
			return err
		}
	}
	v.at("/loads/revert")
	if part {
		return v.showPart("counts", "revert", view)
	}
	return v.show("revert", fmt.Sprintf("Revert load %d?", l.LoadID), view)
}

// revert takes a load out, and has a build follow if the form says so.
func (d *Dashboard) revert(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	l, err := d.findLoad(v)
	if err != nil {
		return err
	}
	build := v.r.PostFormValue("build") == "1"
	by := v.key.Name
	f := d.reverted.ask(d, l.LoadID, func(ctx context.Context) (db.Load, error) {
		reverted, err := load.Revert(ctx, d.Loader, l.LoadID, by)
		if err == nil && build {
			d.startBuilding(by, false)
		}
		return reverted, err
	})
	reverted, err := f.wait(v.ctx)
	switch {
	case err != nil && v.ctx.Err() != nil:
		return v.done("/loads", fmt.Sprintf("Load %d is being reverted. This takes a while: reload the page later.",
			l.LoadID), 0)
	case err != nil && l.Status != "loaded":
		return invalid{sentence(err.Error())}
	case err != nil:
		return err
	}
	text := fmt.Sprintf("Load %d was reverted: everything that only this load had added was removed.", reverted.LoadID)
	if build {
		return v.done("/builds", text+" New recommendations are being counted.", 0)
	}
	return v.done("/loads", text+" Recommendations change with the next build.", 0)
}
