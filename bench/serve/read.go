package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/localpg"
)

// singleRow is what one row costs that is found by its key: no answer that is read from PostgreSQL can be faster.
const singleRow = "one row by its key"

// readRows has every connection read one row by its key again and again, straight from the PostgreSQL of v.
func (v *version) readRows(ctx context.Context, connections int, each time.Duration) (m measured, err error) {
	server, err := localpg.Start(ctx, localpg.Config{Dir: v.dataDir})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	var mu sync.Mutex
	var reading sync.WaitGroup
	var errs []error
	began := time.Now()
	for range connections {
		reading.Go(func() {
			latencies, err := readUntil(ctx, server.URL(), began.Add(each))
			mu.Lock()
			defer mu.Unlock()
			m.latencies, errs = append(m.latencies, latencies...), append(errs, err)
		})
	}
	reading.Wait()
	if err := errors.Join(errs...); err != nil {
		return m, fmt.Errorf("read rows: %w", err)
	}
	slices.Sort(m.latencies)
	m.perSecond = float64(len(m.latencies)) / time.Since(began).Seconds()
	return m, nil
}

func readUntil(ctx context.Context, url string, end time.Time) (latencies []time.Duration, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for began := time.Now(); began.Before(end); began = time.Now() {
		var name string
		if err := conn.QueryRow(ctx, "SELECT i.name FROM items AS i WHERE i.item_id = $1",
			1+len(latencies)%10_000).Scan(&name); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began))
	}
	return latencies, nil
}
