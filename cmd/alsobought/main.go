// Command alsobought recommends items that are bought together: it loads orders into PostgreSQL, counts which items
// share them, and serves the answers.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	forgetEmptyVariables()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills the program
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// forgetEmptyVariables unsets empty variables, so that ALSOBOUGHT_ADDR= means the same as no ALSOBOUGHT_ADDR: compose
// and unit files pass unset variables on as empty ones.
func forgetEmptyVariables() {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value == "" && strings.HasPrefix(name, "ALSOBOUGHT_") {
			_ = os.Unsetenv(name) // fails only for invalid names
		}
	}
}
