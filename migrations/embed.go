// Package migrations holds the database schema: goose SQL files, the one source of every table,
// function, view and role. It never touches a database itself; package pg applies it.
package migrations

import "embed"

// FS holds the migrations by file name, in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
