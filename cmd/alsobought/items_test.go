package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestKilledItems kills the program while it replaces the catalogue. The catalogue is unchanged, and the same load then
// succeeds.
func TestKilledItems(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	want(t, url, strings.NewReader("item,price\nkept,1\nitem 1,2\n"), "items", "load", "-")
	before := contents(t, url)
	var file strings.Builder
	file.WriteString("item,price\n")
	for i := range 50_000 {
		fmt.Fprintf(&file, "item %d,%d\n", i, i)
	}

	loading := command(t, url, "items", "load", "--replace", "-")
	stdin, err := loading.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := loading.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte(file.String())); err != nil { // stdin stays open, so COPY keeps waiting
		t.Fatal(err)
	}
	until(t, conn, "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND "+
		"query ILIKE 'copy %staged_items%')")
	if err := loading.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := loading.Wait(); err == nil {
		t.Fatal("the load ended before it was killed")
	}
	until(t, conn, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND "+
		"pid <> pg_backend_pid())")
	if diff := cmp.Diff(before, contents(t, url)); diff != "" {
		t.Errorf("the database changed (-before +after):\n%s", diff)
	}
	want(t, url, nil, "doctor")
	again := want(t, url, strings.NewReader(file.String()), "items", "load", "--replace", "--json", "-")
	if !strings.HasPrefix(again,
		`{"rows_read":50000,"items_added":49999,"items_changed":1,"items_unchanged":0,"items_removed":1,"items_new":49999,`) {
		t.Errorf("the load again: %s", again)
	}
	want(t, url, nil, "doctor")
}
