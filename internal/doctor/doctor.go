// Package doctor checks every invariant of the data that the schema cannot enforce. It only reads.
package doctor

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Finding is one violation of an invariant.
type Finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	Problem string `json:"problem"`
}

// maxFindings per check are reported.
const maxFindings = 20

// sessions is how many queries run at once. Those that read all orders or all pairs keep one processor busy
// each.
const sessions = 3

// row is the result type of a query that makes one check.
type row interface {
	~struct {
		Subject string `json:"subject"`
		Problem string `json:"problem"`
	}
}

// namedRow is the result type of a query that makes several checks.
type namedRow interface {
	~struct {
		CheckName string `json:"check_name"`
		Subject   string `json:"subject"`
		Problem   string `json:"problem"`
	}
}

// check is a query of queries/doctor.sql and the invariants that it checks, each phrased as it should be.
type check struct {
	names    []string
	settings string // set in the query's transaction
	find     func(context.Context, db.DBTX) ([]Finding, error)
}

const (
	// noHashJoin makes the planner read all orders in key order; it would rather hash them.
	noHashJoin = "SET LOCAL enable_hashjoin = off"
	// hashJoins makes the planner hash-join the rows of builds, partition by partition: it has no statistics on
	// the partitioned parents.
	hashJoins = "SET LOCAL work_mem = '128MB'; SET LOCAL enable_mergejoin = off; SET LOCAL enable_nestloop = off;" +
		"SET LOCAL enable_partitionwise_join = on; SET LOCAL enable_partitionwise_aggregate = on"
)

// Run makes every check. It returns what is wrong, at most 20 findings per check, and the number of checks.
func Run(ctx context.Context, pool *pg.Pool) (findings []Finding, checks int, err error) {
	list := all()
	found, errs := make([][]Finding, len(list)), make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(sessions)
	for i, c := range list {
		group.Go(func() error {
			found[i], errs[i] = pg.Retried(ctx, pool, func() (findings []Finding, err error) {
				err = pg.Look(ctx, pool, c.settings, func(tx pg.Tx) (err error) {
					findings, err = c.find(ctx, tx)
					return err
				})
				return findings, err
			})
			return nil
		})
	}
	_ = group.Wait() // every error is in errs
	perCheck := map[string]int{}
	seen := map[string]bool{}
	for i, c := range list {
		if errs[i] != nil {
			return nil, 0, fmt.Errorf("check that %s: %w", c.names[0], errs[i])
		}
		for _, f := range found[i] {
			if perCheck[f.Check]++; perCheck[f.Check] <= maxFindings {
				findings = append(findings, f)
			}
		}
		for _, name := range c.names {
			if !seen[name] {
				seen[name] = true
				checks++
			}
		}
	}
	return findings, checks, nil
}

// all returns every check of queries/doctor.sql.
func all() []check {
	return []check{
		several(noHashJoin, (*db.Queries).DoctorOrders,
			"every order has lines", "every order lists the items of its lines", "every line has an order and an item"),
		one("every line has an order and an item", hashJoins, (*db.Queries).DoctorLineItems),
		several("", (*db.Queries).DoctorLoads, "every load's counts match its rows", "every row belongs to a load"),
		one("every item with attributes has a name", "", (*db.Queries).DoctorAttributesWithoutItem),
		one("every row known from an earlier load exists", "", (*db.Queries).DoctorKnownRows),
		one("every line with returns is settled", "", (*db.Queries).DoctorReturnedLines),
		one("one build is active", "", (*db.Queries).DoctorActiveBuild),
		one("every build's counts match its rows", hashJoins, (*db.Queries).DoctorBuildCounts),
		one("every build's items add up to its lines", "", (*db.Queries).DoctorBuildSums),
		one("every build plus later changes matches the orders", "", (*db.Queries).DoctorOrderChanges),
		one("every item of a build has a name", "", (*db.Queries).DoctorBuildItems),
		one("every pair is possible", hashJoins, (*db.Queries).DoctorPairs),
		one("every neighbour is a pair", hashJoins, (*db.Queries).DoctorNeighbours),
		one("every overlap is a share", "", (*db.Queries).DoctorOverlaps),
		one("no item is in more orders of a day than that day has", hashJoins, (*db.Queries).DoctorItemDays),
		one("every day belongs to a kept build", "", (*db.Queries).DoctorOrderDays),
		one("every build has its partitions", "", (*db.Queries).DoctorPartitions),
		one("every function, view and trigger is as installed", "", (*db.Queries).DoctorFunctions),
		one("no tables are left over", "", (*db.Queries).DoctorLeftoverTables),
		one("the reporting role may read all reports", "", (*db.Queries).DoctorReportingRole),
	}
}

func one[R row](name, settings string, query func(*db.Queries, context.Context) ([]R, error)) check {
	return check{[]string{name}, settings, func(ctx context.Context, on db.DBTX) ([]Finding, error) {
		rows, err := query(db.New(on), ctx)
		findings := make([]Finding, 0, len(rows))
		for _, r := range rows {
			s := struct {
				Subject string `json:"subject"`
				Problem string `json:"problem"`
			}(r)
			findings = append(findings, Finding{Check: name, Subject: s.Subject, Problem: s.Problem})
		}
		return findings, err
	}}
}

func several[R namedRow](
	settings string, query func(*db.Queries, context.Context) ([]R, error), names ...string,
) check {
	return check{names, settings, func(ctx context.Context, on db.DBTX) ([]Finding, error) {
		rows, err := query(db.New(on), ctx)
		findings := make([]Finding, 0, len(rows))
		for _, r := range rows {
			s := struct {
				CheckName string `json:"check_name"`
				Subject   string `json:"subject"`
				Problem   string `json:"problem"`
			}(r)
			findings = append(findings, Finding{Check: s.CheckName, Subject: s.Subject, Problem: s.Problem})
		}
		return findings, err
	}}
}
