// Package doctor checks every invariant of the data that the schema itself cannot hold. It only reads.
package doctor

import (
	"context"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Finding is one thing that is wrong.
type Finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	Problem string `json:"problem"`
}

// row is the shape of every query of queries/doctor.sql.
type row interface {
	~struct {
		Subject string `json:"subject"`
		Problem string `json:"problem"`
	}
}

// check is one invariant, said as it should be.
type check struct {
	name string
	find func(context.Context) ([]Finding, error)
}

// Run makes every check and returns what is wrong, at most 20 findings a check, and how many checks there were.
func Run(ctx context.Context, database db.DBTX) (findings []Finding, checks int, err error) {
	all := checksOf(db.New(database))
	for _, c := range all {
		found, err := pg.Retried(ctx, func() ([]Finding, error) { return c.find(ctx) })
		if err != nil {
			return nil, 0, fmt.Errorf("check that %s: %w", c.name, err)
		}
		for _, f := range found {
			f.Check = c.name
			findings = append(findings, f)
		}
	}
	return findings, len(all), nil
}

// checksOf lists every query of queries/doctor.sql.
func checksOf(q *db.Queries) []check {
	return []check{
		{"every order has lines", wrap(q.DoctorOrderWithoutLines)},
		{"every order knows the items of its lines", wrap(q.DoctorOrderItems)},
		{"every line has its order and its item", wrap(q.DoctorLineWithoutOrder)},
		{"every item with attributes has its name", wrap(q.DoctorAttributesWithoutItem)},
		{"every load's counts are those of its rows", wrap(q.DoctorLoadCounts)},
		{"every row belongs to a load", wrap(q.DoctorRowOfUnknownLoad)},
		{"every row that is known from an earlier load is there", wrap(q.DoctorKnownRows)},
		{"one build is active", wrap(q.DoctorActiveBuild)},
		{"every build's counts are those of its rows", wrap(q.DoctorBuildCounts)},
		{"every build's items add up to its lines", wrap(q.DoctorBuildSums)},
		{"every build and the changes since give the orders there are", wrap(q.DoctorOrderChanges)},
		{"every item of a build has its name", wrap(q.DoctorBuildItems)},
		{"every pair is possible", wrap(q.DoctorPairs)},
		{"every neighbour is a pair", wrap(q.DoctorNeighbours)},
		{"every overlap is a share", wrap(q.DoctorOverlaps)},
		{"no item is in more orders of a day than there are", wrap(q.DoctorItemDays)},
		{"every day is one of a build that is kept", wrap(q.DoctorOrderDays)},
		{"no tables are left over", wrap(q.DoctorLeftoverTables)},
		{"the role of reports may read them", wrap(q.DoctorReportingRole)},
	}
}

func wrap[R row](query func(context.Context) ([]R, error)) func(context.Context) ([]Finding, error) {
	return func(ctx context.Context) ([]Finding, error) {
		rows, err := query(ctx)
		findings := make([]Finding, 0, len(rows))
		for _, r := range rows {
			s := struct {
				Subject string `json:"subject"`
				Problem string `json:"problem"`
			}(r)
			findings = append(findings, Finding{Subject: s.Subject, Problem: s.Problem})
		}
		return findings, err
	}
}
