// Command alsobought loads orders, counts which items share them, and serves what goes with what, from one PostgreSQL.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// version is stamped by the build.
var version = "dev"

func main() {
	forgetEmptyVariables()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// forgetEmptyVariables makes ALSOBOUGHT_ADDR= mean the same as no ALSOBOUGHT_ADDR: compose files and unit files pass on what is not set.
func forgetEmptyVariables() {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value == "" && strings.HasPrefix(name, "ALSOBOUGHT_") {
			_ = os.Unsetenv(name) // fails for names that cannot be
		}
	}
}
