// Package load loads order files into the database and accounts for every row.
//
// A load is one transaction. Rows are numbered as they are read and copied into the final tables if these are empty,
// otherwise into staging tables that SQL merges into items, orders and order_lines. The same transaction completes the
// audit row with the counts. Only the audit row is created earlier: it says "running" from the start, and "failed" with
// the reason if the load does not finish. The package never parses files (package orderfile does) and never builds
// recommendations.
package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/pg"
)

// ErrNoRows means that the sources contain no rows.
var ErrNoRows = errors.New("no rows")

// Source is one file or stream of a load.
type Source = datafile.Source

// Progress is how far a load has got.
type Progress = datafile.Progress

// Options of a load. The zero value detects the format of every source from its content.
type Options struct {
	File     orderfile.Options // how to read the sources; Name is set from the source
	Again    bool              // load bytes that a load in force has loaded already; false returns a LoadedError
	LoadedBy string            // user, for the audit
	Version  string            // program version, for the audit

	// Limits on rejects; the load fails when there are more. nil means no limit. The share, 0 to 1, is of all rows and is
	// checked at the end of the sources.
	MaxRejects     *int64
	MaxRejectShare *float64

	// Reached returns the mark that the current source has reached, for the audit; nil if sources are always read as a
	// whole.
	Reached func() *Mark

	// Within runs at the end of the load's transaction and is rolled back with it.
	Within func(ctx context.Context, tx pgx.Tx, loadID int64) error

	// Progress is called every few thousand rows, in the goroutine that reads, so it should return quickly.
	Progress func(Progress)
}

// LoadedError means that a source has the same bytes as one that was loaded before.
type LoadedError struct {
	Name      string // of the source
	Earlier   string // its name in the earlier load
	LoadID    int64  // the load in force that loaded it; 0 for this load
	StartedAt time.Time
}

func (e *LoadedError) Error() string {
	if e.LoadID == 0 {
		return fmt.Sprintf("%s and %s are identical: name one of them, or use --again to add up their quantities",
			e.Earlier, e.Name)
	}
	return fmt.Sprintf("%s was already loaded, as load %d of %s, and nothing was changed; "+
		"--again loads it anyway and adds only what is missing",
		e.Name, e.LoadID, e.StartedAt.UTC().Format("2006-01-02 15:04:05"))
}

// ErrTooManyRejects means that more rows were rejected than the options allow.
var ErrTooManyRejects = errors.New("too many rejects")

// tooMany returns ErrTooManyRejects, wrapped, if the options do not allow that many rejects.
func (o Options) tooMany(rejected, rows int64) error {
	var most string
	switch {
	case o.MaxRejects != nil && rejected > *o.MaxRejects:
		most = strconv.FormatInt(*o.MaxRejects, 10)
	// Divide, do not multiply: in floating point 29/100 == 0.29, but 0.29*100 < 29.
	case o.MaxRejectShare != nil && float64(rejected)/float64(rows) > *o.MaxRejectShare:
		most = fmt.Sprintf("%.6g %%", *o.MaxRejectShare*100)
	default:
		return nil
	}
	return fmt.Errorf("%w: %d of %d rows were rejected, at most %s are allowed", ErrTooManyRejects, rejected, rows, most)
}

// Result describes a finished load: its row in loads, and its files.
type Result struct {
	db.Load
	Files []db.LoadFile
}

// Run loads the sources as one load and returns its audit row. On error only the audit row stays in the database, with
// the reason; if not even the first row can be read, there is no audit row either. Every source row is counted exactly
// once, as loaded, duplicate, not bought or rejected. Loads may run concurrently; they merge one after the other.
//
// Errors: *datafile.FileError for a source that cannot be read, ErrNoRows, *LoadedError, ErrNotUnderstood,
// ErrTooManyRejects, errors from opening a source, and database errors.
func Run(ctx context.Context, pool *pgxpool.Pool, sources []Source, opts Options) (Result, error) {
	opts.File.Earlier = lineages(ctx, pool)
	stage, err := newStage(sources, opts)
	if err != nil {
		return Result{}, err
	}
	defer stage.close()

	var result Result
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		loadID, err := start(ctx, conn, sources, opts)
		if err != nil {
			return err
		}
		vacant, err := mayFill(ctx, conn)
		if err == nil {
			err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
				result, err = run(ctx, tx, loadID, stage, vacant)
				return err
			})
		}
		if err != nil {
			return errors.Join(err, fail(ctx, pool, loadID, err))
		}
		return nil
	})
	return result, err
}

// Recover marks interrupted loads, those that were killed or lost their database connection, as failed and returns
// their number.
func Recover(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	n, err := db.New(pool).LoadRecover(ctx, pg.LoadLock)
	if err != nil {
		return 0, fmt.Errorf("recover loads: %w", err)
	}
	return n, nil
}

// start inserts the audit row and takes the load's lock in one transaction, so that no other session sees a running
// load without its lock.
func start(ctx context.Context, conn *pgx.Conn, sources []Source, opts Options) (loadID int64, err error) {
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		loadID, err = db.New(tx).LoadStart(ctx, storable(names(sources)), opts.LoadedBy, opts.Version)
		if err != nil {
			return err
		}
		return pg.Lock(ctx, tx.Conn(), pg.LoadLock, loadID)
	})
	if err != nil {
		return 0, fmt.Errorf("start load: %w", err)
	}
	return loadID, nil
}

// run copies and merges within tx.
func run(ctx context.Context, tx pgx.Tx, loadID int64, stage *stage, vacant bool) (Result, error) {
	began := time.Now()
	q := db.New(tx)
	stage.loadID = loadID
	// A program that writes into a pipe may pause at any point.
	if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return Result{}, fmt.Errorf("prepare load: %w", err)
	}
	var merged merged
	var err error
	if vacant {
		merged, err = fill(ctx, tx, stage)
	} else {
		err = stageRows(ctx, tx, stage)
	}
	if err != nil {
		return Result{}, err
	}
	copied := time.Now()
	if !stage.options.Again {
		if err := refuseKnown(ctx, q, stage.files); err != nil {
			return Result{}, err
		}
	}
	if !vacant {
		if merged, err = merge(ctx, tx, loadID); err != nil {
			return Result{}, err
		}
	}
	if err := applyReturns(ctx, tx, stage, &merged); err != nil {
		return Result{}, err
	}

	var result Result
	for i, f := range stage.files {
		f.LoadID, f.FileNumber = loadID, int32(i+1)
		if err := q.LoadFileInsert(ctx, db.LoadFileInsertParams(f)); err != nil {
			return Result{}, fmt.Errorf("audit of %s: %w", f.Name, err)
		}
		result.Files = append(result.Files, f)
	}
	good := stage.walk.Rows() - stage.walk.Rejected() - stage.notBought
	result.Load, err = q.LoadFinish(ctx, db.LoadFinishParams{
		LoadID:        loadID,
		RowsRead:      stage.walk.Rows(),
		RowsRejected:  stage.walk.Rejected(),
		RowsNotBought: stage.notBought,
		RowsLoaded:    merged.lines,
		RowsDuplicate: good - merged.lines,
		RowsRepeated:  good - merged.lines - merged.knownLines,
		OrdersAdded:   merged.orders,
		OrdersKnown:   merged.knownOrders,
		ItemsAdded:    merged.items,
		CopySeconds:   copied.Sub(began).Seconds(),
		MergeSeconds:  time.Since(copied).Seconds(),
	})
	if err != nil {
		return Result{}, fmt.Errorf("close audit: %w", err)
	}
	if stage.options.Within != nil {
		err = stage.options.Within(ctx, tx, loadID)
	}
	return result, err
}

// mayFill reports whether the load of conn may write to the final tables directly. If so, its locks keep others from
// merging or building until its session ends, because even older snapshots see frozen rows. It checks outside the
// load's transaction, which would keep the tables locked.
func mayFill(ctx context.Context, conn *pgx.Conn) (vacant bool, err error) {
	var taken []int32
	defer func() {
		for _, class := range taken {
			if !vacant {
				err = errors.Join(err, pg.Unlock(ctx, conn, class, 0))
			}
		}
	}()
	for _, class := range []int32{pg.MergeLock, pg.BuildLock} {
		free, err := pg.TryLock(ctx, conn, class, 0)
		if err != nil || !free {
			return false, err
		}
		taken = append(taken, class)
	}
	vacant, err = db.New(conn).TablesAreVacant(ctx)
	if err != nil {
		return false, fmt.Errorf("look for orders: %w", err)
	}
	return vacant, nil
}

// refuseKnown returns a LoadedError for the first file whose bytes are loaded already.
func refuseKnown(ctx context.Context, q *db.Queries, files []db.LoadFile) error {
	names := map[string]string{}
	sums := make([][]byte, 0, len(files))
	for _, f := range files {
		if earlier, twice := names[string(f.SHA256)]; twice {
			return &LoadedError{Name: f.Name, Earlier: earlier}
		}
		names[string(f.SHA256)] = f.Name
		sums = append(sums, f.SHA256)
	}
	loaded, err := q.LoadFileListLoaded(ctx, sums)
	if err != nil {
		return fmt.Errorf("find earlier loads of the same files: %w", err)
	}
	if len(loaded) > 0 {
		l := loaded[0]
		return &LoadedError{Name: names[string(l.SHA256)], Earlier: l.Name, LoadID: l.LoadID, StartedAt: l.StartedAt}
	}
	return nil
}

// fail records in the audit why the load failed. It uses its own timeout, since the usual reason is that ctx ended. If
// the database is gone too, the row stays "running" until Recover finds it.
func fail(ctx context.Context, pool *pgxpool.Pool, loadID int64, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	reason := storable(cause.Error())
	if errors.Is(cause, context.Canceled) {
		reason = "cancelled"
	}
	if err := db.New(pool).LoadFail(ctx, reason, loadID); err != nil && !pg.IsUnavailable(err) {
		return fmt.Errorf("record the failure: %w", err)
	}
	return nil
}

func names(sources []Source) string {
	list := make([]string, len(sources))
	for i, s := range sources {
		list[i] = s.Name
	}
	return strings.Join(list, " ")
}

// storable returns text that PostgreSQL accepts: file names, and errors that contain them, need not be UTF-8.
func storable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
