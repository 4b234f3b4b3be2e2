package recommend

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// perBuild asks about the rows of one build. Its statements carry the build's id, so that those of different builds are different statements:
// the driver prepares each statement once per session, PostgreSQL keeps a plan with it, and a plan that is just being made when a build's
// tables become partitions does not have them, for as long as it is kept. A build's own statements are not planned before it is active.
// (Planning anew every time would do, too, and take several times as long as the answer.)
type perBuild struct {
	db.DBTX

	comment string
}

// of returns the queries to ask about the rows of the build.
func (r *Recommender) of(build db.Build) *db.Queries {
	return db.New(perBuild{r.database, "-- build " + strconv.FormatInt(build.BuildID, 10)})
}

// Query is DBTX's.
func (p perBuild) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	return p.DBTX.Query(ctx, sql+p.comment, arguments...)
}

// QueryRow is DBTX's.
func (p perBuild) QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row {
	return p.DBTX.QueryRow(ctx, sql+p.comment, arguments...)
}
