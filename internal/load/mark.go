package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// Mark is how far loads have read a source that is queried only for new rows.
type Mark struct {
	Column string `json:"column"`
	Value  string `json:"value"` // the highest value, as the source writes it
	Rows   int64  `json:"rows"`  // number of rows with that value
}

// audited is the content of load_files.mapping.
type audited struct {
	orderfile.Mapping

	Since *Mark `json:"since,omitempty"`
}

// LastMark returns the mark of column that the last load in force of a source reached, or nil if there is none.
func LastMark(ctx context.Context, pool *pgxpool.Pool, source, column string) (*Mark, error) {
	since, err := db.New(pool).LoadFileGetSince(ctx, storable(source), column)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no mark is no error
	}
	if err != nil {
		return nil, fmt.Errorf("find how far %s was loaded: %w", source, err)
	}
	mark := new(Mark)
	if err := json.Unmarshal(since, mark); err != nil {
		return nil, fmt.Errorf("mapping of %s: %w", source, err)
	}
	return mark, nil
}
