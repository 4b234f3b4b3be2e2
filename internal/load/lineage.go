package load

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// lineages returns a function that lists the lineages of the basket lists loaded under a name. Order ids of files
// loaded before lineages were introduced are made from the name alone.
func lineages(ctx context.Context, pool *pgxpool.Pool) func(name string) ([]orderfile.Lineage, error) {
	return func(name string) ([]orderfile.Lineage, error) {
		files, err := db.New(pool).LoadFileListLineages(ctx, storable(name))
		if err != nil {
			return nil, fmt.Errorf("find earlier loads of %s: %w", name, err)
		}
		list := make([]orderfile.Lineage, 0, len(files))
		for _, f := range files {
			var mapping orderfile.Mapping
			if err := json.Unmarshal(f.Mapping, &mapping); err != nil {
				return nil, fmt.Errorf("mapping of %s: %w", name, err)
			}
			if mapping.Lineage == nil {
				mapping.Lineage = &orderfile.Lineage{
					Prefix: name + ":", Bytes: f.Bytes, SHA256: hex.EncodeToString(f.SHA256), Stored: true,
				}
			}
			list = append(list, *mapping.Lineage)
		}
		return list, nil
	}
}
