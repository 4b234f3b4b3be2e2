package builds_test

import (
	"fmt"
	"testing"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

func TestRandomOrders(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				pool := dbtest.New(t)
				orders := oracle.Random(random(seed), shape)
				times := oracle.RandomTimes(random(seed), orders)
				loadText(t, pool, orders.TimedCSV(random(seed), times))
				rnd := random(seed)
				for _, settings := range []oracle.Settings{
					oracle.Settings(builds.DefaultSettings()), oracle.RandomSettings(rnd), oracle.RandomSettings(rnd),
					oracle.RandomSettings(rnd),
					oracle.RandomSettings(rnd),
				} {
					opts := defaults()
					opts.Settings = builds.Settings(settings)
					built := mustBuild(t, pool, opts)
					buildtest.WantCounts(t, pool, built, oracle.CountTimed(orders, times, settings))
				}
				wantHealthy(t, pool)
			})
		}
	}
}
