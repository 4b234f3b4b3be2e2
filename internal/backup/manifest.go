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

// format is the version of the backup layout.
const format = 1

// Manifest describes a database at the moment of its backup.
type Manifest struct {
	Format        int              `json:"format"`
	Version       string           `json:"version"`            // of alsobought
	MadeAt        time.Time        `json:"made_at"`            // time of the snapshot, by the server's clock
	Seconds       float64          `json:"seconds"`            // duration of the backup
	Server        int              `json:"postgresql_version"` // major version
	PgDump        int              `json:"pg_dump_version"`
	Schema        int64            `json:"schema_version"`
	TablesIn      string           `json:"tables_in"`      // the schema of the tables
	DatabaseSince time.Time        `json:"database_since"` // time of the first migration, which identifies the database
	Files         int              `json:"dump_files"`
	Bytes         int64            `json:"dump_bytes"`
	Tables        map[string]int64 `json:"tables"`    // rows per table
	Sequences     map[string]int64 `json:"sequences"` // lower bounds of their last values
	Answers       *Answers         `json:"answers"`   // null if the schema was of another version of alsobought
}

// Answers is a fingerprint of the answers to questions of every kind.
type Answers struct {
	Questions int    `json:"questions"`
	SHA256    string `json:"sha256"`
}

// Rows returns the number of rows of all tables.
func (m *Manifest) Rows() (rows int64) {
	for _, n := range m.Tables {
		rows += n
	}
	return rows
}

// describe fills in what tx sees. It includes answers if ask is set; the schema must be this program's then.
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
			return fmt.Errorf("fingerprint the answers: %w", err)
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

// Comparison is the result of comparing a restored database with its backup.
type Comparison struct {
	Differences     []string
	AnswersCompared bool // false if the schema of either is not this program's
}

// Compare compares a freshly restored database with the manifest of its backup. It leaves the database
// unchanged.
func Compare(ctx context.Context, pool *pg.Pool, m Manifest) (c Comparison, err error) {
	current := pg.CheckSchema(ctx, pool)
	if current != nil && !errors.Is(current, pg.ErrSchema) {
		return c, fmt.Errorf("read the database: %w", current)
	}
	c.AnswersCompared = current == nil && m.Answers != nil
	is := Manifest{}
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // best effort: the session ends anyway
		// Rules may have begun or ended since, so they are set back to the time of the backup. Rows are counted
		// first.
		if err := is.describe(ctx, tx, false); err != nil || !c.AnswersCompared {
			return err
		}
		q := db.New(tx)
		if err := q.BackupRulesDropOthers(ctx, m.MadeAt); err != nil {
			return fmt.Errorf("reset rules: %w", err)
		}
		if err := q.BackupRulesHold(ctx); err != nil {
			return fmt.Errorf("reset rules: %w", err)
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
	if c.AnswersCompared && *is.Answers != *m.Answers {
		c.Differences = append(c.Differences,
			fmt.Sprintf("the answers to %d questions differ from those to %d when the backup was made",
				is.Answers.Questions, m.Answers.Questions))
	}
	return c, nil
}

// CountRows counts the rows of every table that a backup includes.
func CountRows(ctx context.Context, pool *pg.Pool) (counts map[string]int64, err error) {
	err = pgx.BeginTxFunc(ctx, pool, snapshotOnly, func(tx pgx.Tx) error {
		counts, err = countRows(ctx, tx)
		return err
	})
	return counts, err
}

// Moved describes how the row counts of tables differ, in order of table name.
func Moved(before, after map[string]int64) (list []string) {
	all := maps.Clone(after)
	maps.Copy(all, before)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !has:
			list = append(list, fmt.Sprintf("table %s, which had %d rows, is gone", name, was))
		case !had:
			list = append(list, fmt.Sprintf("table %s, with %d rows, is new", name, is))
		case was != is:
			list = append(list, fmt.Sprintf("table %s had %d rows and has %d", name, was, is))
		}
	}
	return list
}
