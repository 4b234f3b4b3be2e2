package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// format is the version of the layout of backups.
const format = 1

// Manifest is what the database was like when it was backed up.
type Manifest struct {
	Format        int              `json:"format"`
	Version       string           `json:"version"`            // the alsobought that made it
	MadeAt        time.Time        `json:"made_at"`            // the moment of the snapshot, by the server's clock
	Seconds       float64          `json:"seconds"`            // what it took
	Server        int              `json:"postgresql_version"` // major versions
	PgDump        int              `json:"pg_dump_version"`
	Schema        int64            `json:"schema_version"`
	TablesIn      string           `json:"tables_in"`      // the name of their schema
	DatabaseSince time.Time        `json:"database_since"` // of the first migration: tells this database from others
	Files         int              `json:"dump_files"`
	Bytes         int64            `json:"dump_bytes"`
	Tables        map[string]int64 `json:"tables"`    // rows
	Sequences     map[string]int64 `json:"sequences"` // at least their last values
	Answers       *Answers         `json:"answers"`   // null: the schema was of another alsobought
}

// Answers are what questions of every kind were answered.
type Answers struct {
	Questions int    `json:"questions"`
	SHA256    string `json:"sha256"`
}

// Rows are those of all tables.
func (m *Manifest) Rows() (rows int64) {
	for _, n := range m.Tables {
		rows += n
	}
	return rows
}

// describe fills in what tx sees. Answers are asked for if the schema is this program's.
func (m *Manifest) describe(ctx context.Context, tx pgx.Tx, ask bool) (err error) {
	if m.Tables, err = countRows(ctx, tx); err != nil {
		return err
	}
	sequences, err := db.New(tx).BackupSequenceList(ctx)
	if err != nil {
		return fmt.Errorf("read sequences: %w", err)
	}
	m.Sequences = map[string]int64{}
	for _, s := range sequences {
		m.Sequences[s.SchemaName+"."+s.SequenceName] = s.LastValue
	}
	if ask {
		answers, err := fingerprint(ctx, tx)
		if err != nil {
			return fmt.Errorf("ask for answers: %w", err)
		}
		m.Answers = &answers
	}
	return nil
}

func countRows(ctx context.Context, tx pgx.Tx) (map[string]int64, error) {
	tables, err := db.New(tx).BackupTableList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	counts := map[string]int64{}
	for _, t := range tables {
		var rows int64
		table := pgx.Identifier{t.SchemaName, t.TableName}.Sanitize()
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", t.TableName, err)
		}
		counts[t.SchemaName+"."+t.TableName] = rows
	}
	return counts, nil
}

// Comparison is what a restored database has in common with the one that was backed up.
type Comparison struct {
	Differences []string
	Asked       bool // whether answers were compared: both have to be of this program's schema
}

// Compare compares a database that was restored, and not used since, with what was backed up. It leaves nothing
// behind.
func Compare(ctx context.Context, pool *pg.Pool, m Manifest) (c Comparison, err error) {
	current := pg.CheckSchema(ctx, pool)
	if current != nil && !errors.Is(current, pg.ErrSchema) {
		return c, fmt.Errorf("look at the database: %w", current)
	}
	c.Asked = current == nil && m.Answers != nil
	is := Manifest{}
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			return fmt.Errorf("look at the database: %w", err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // the session ends, too
		// Rules may have begun or ended since. The counts are taken before.
		if err := is.describe(ctx, tx, false); err != nil || !c.Asked {
			return err
		}
		q := db.New(tx)
		if err := q.BackupRulesDropOthers(ctx, m.MadeAt); err != nil {
			return fmt.Errorf("set rules back: %w", err)
		}
		if err := q.BackupRulesHold(ctx); err != nil {
			return fmt.Errorf("set rules back: %w", err)
		}
		answers, err := fingerprint(ctx, tx)
		is.Answers = &answers
		return err
	})
	if err != nil {
		return c, err
	}
	c.Differences = Moved(m.Tables, is.Tables)
	for _, name := range slices.Sorted(maps.Keys(m.Sequences)) {
		if now, there := is.Sequences[name]; !there || now < m.Sequences[name] {
			c.Differences = append(c.Differences,
				fmt.Sprintf("sequence %s was at %d and is at %d", name, m.Sequences[name], now))
		}
	}
	if c.Asked && *is.Answers != *m.Answers {
		c.Differences = append(c.Differences,
			fmt.Sprintf("the answers to %d questions differ from those to %d when the backup was made",
				is.Answers.Questions, m.Answers.Questions))
	}
	return c, nil
}

// CountRows counts the rows of each table that a backup would have.
func CountRows(ctx context.Context, pool *pg.Pool) (counts map[string]int64, err error) {
	err = pgx.BeginTxFunc(ctx, pool, snapshotOnly, func(tx pgx.Tx) error {
		counts, err = countRows(ctx, tx)
		return err
	})
	return counts, err
}

// Moved says, table by table, how rows were and are.
func Moved(were, are map[string]int64) (list []string) {
	all := maps.Clone(are)
	maps.Copy(all, were)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, had := were[name]
		now, has := are[name]
		switch {
		case !has:
			list = append(list, fmt.Sprintf("table %s, which had %d rows, is gone", name, before))
		case !had:
			list = append(list, fmt.Sprintf("table %s, with %d rows, is new", name, now))
		case before != now:
			list = append(list, fmt.Sprintf("table %s had %d rows and has %d", name, before, now))
		}
	}
	return list
}
