package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// migratedFunctions are created by migrations, for triggers and constraints. All other functions are replaced together.
var migratedFunctions = []string{
	"all_trimmed", "answers_lock", "count_change", "give_notice", "keep_order_changes", "lock_orders",
	"notice_switch", "trimmed",
}

// recordDefinitions records the definitions that the transaction created, and those that migrations created. Existing
// records of the latter are kept, to detect drift, unless migrated is set.
func recordDefinitions(ctx context.Context, tx pgx.Tx, migrated bool) error {
	_, err := tx.Exec(ctx, "DELETE FROM installed_definitions WHERE NOT migrated OR $1", migrated)
	if err == nil {
		_, err = tx.Exec(ctx, `
			WITH own AS (
				SELECT c.relnamespace AS id FROM pg_class AS c WHERE c.oid = 'builds'::regclass
			), made AS (
				SELECT 'function' AS kind, p.oid::regprocedure::text AS name, p.proname = ANY ($1) AS migrated
				FROM pg_proc AS p
				WHERE p.xmin = pg_current_xact_id()::xid OR p.pronamespace = (SELECT n.id FROM own AS n) AND p.proname = ANY ($1)
				UNION ALL
				SELECT 'view', r.ev_class::regclass::text, false
				FROM pg_rewrite AS r
				WHERE r.xmin = pg_current_xact_id()::xid
				UNION ALL
				SELECT 'trigger', t.tgname || ' of ' || t.tgrelid::regclass, true
				FROM pg_trigger AS t
				JOIN pg_proc AS p ON p.oid = t.tgfoid
				WHERE p.pronamespace = (SELECT n.id FROM own AS n) AND p.proname = ANY ($1)
			)
			INSERT INTO installed_definitions (kind, name, sha256, server_major, migrated)
			SELECT d.kind, d.name, d.sha256, current_setting('server_version_num')::integer / 10000, m.migrated
			FROM current_definitions() AS d
			JOIN made AS m ON m.kind = d.kind AND m.name = d.name
			ON CONFLICT (kind, name) DO NOTHING`, migratedFunctions)
	}
	if err != nil {
		return fmt.Errorf("record definitions: %w", err)
	}
	return nil
}
