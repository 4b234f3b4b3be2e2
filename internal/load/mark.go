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

// Mark is how far a source has come that is asked for what is new only.
type Mark struct {
	Column string `json:"column"`
	Value  string `json:"value"` // the highest, as the source writes it
	Rows   int64  `json:"rows"`  // that have it
}

// audited is what load_files.mapping holds.
type audited struct {
	orderfile.Mapping

	Since *Mark `json:"since,omitempty"`
}

// LastMark is how far the last load in force of a source came by a column, or nil.
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
