//go:build docker

package main

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// These tests need Docker and the image of TEST_PG_IMAGE, so they have a build tag, which make test sets under TEST_PG=docker.
// They are not parallel: each counts the containers of this process when it ends.

func image(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("TEST_PG_IMAGE"); given != "" {
		return given
	}
	return defaultImage
}

// wantNoContainer fails the test if it leaves a container of this process, running or not.
func wantNoContainer(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.Background()
		provider, err := testcontainers.NewDockerProvider()
		if err != nil {
			t.Fatal(err)
		}
		defer provider.Close()
		ours := make(client.Filters).Add("label", label+"="+strconv.Itoa(os.Getpid()))
		list, err := provider.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range list.Items {
			t.Errorf("left container %s of %s, %s", left.ID, left.Image, left.Status)
		}
	})
}

func TestServerAnswersAndGoes(t *testing.T) {
	wantNoContainer(t)
	signals := make(chan os.Signal)
	server, _, err := start(image(t), signals)
	defer func() {
		if err := server.remove(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var superuser bool
	var fsync string
	err = conn.QueryRow(t.Context(), "SELECT usesuper, current_setting('fsync') FROM pg_user WHERE usename = current_user").Scan(&superuser, &fsync)
	if err != nil {
		t.Fatal(err)
	}
	if !superuser || fsync != "off" {
		t.Errorf("superuser %t, fsync %s; want true, off", superuser, fsync)
	}
}

func TestRunEndsLikeItsCommand(t *testing.T) {
	wantNoContainer(t)
	var stdout, stderr strings.Builder
	args := []string{"--image", image(t), "--", "sh", "-c", `echo "$TEST_DATABASE_URL $KEPT"; exit 7`}
	if status := run(args, []string{"KEPT=kept"}, nil, &stdout, &stderr); status != 7 {
		t.Errorf("status %d, want 7", status)
	}
	if got := stdout.String(); !strings.HasPrefix(got, "postgres://postgres:") || !strings.HasSuffix(got, " kept\n") {
		t.Errorf("the command saw %q, want a URL and the environment", got)
	}
	if stderr.Len() > 0 {
		t.Errorf("said %q, want nothing", &stderr)
	}
}

func TestServerThatEndsIsExplained(t *testing.T) {
	wantNoContainer(t)
	// Every version refuses a port that is none.
	signals := make(chan os.Signal)
	server, status, err := start(image(t), signals, "-c", "port=none")
	if removeErr := server.remove(); removeErr != nil {
		t.Error(removeErr)
	}
	if status != exitFailed || err == nil || !strings.Contains(err.Error(), `"port"`) {
		t.Errorf("status %d and error %v, want %d and the server's words on its port", status, err, exitFailed)
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	wantNoContainer(t)
	var stderr strings.Builder
	// No registry has this host.
	const nowhere = "registry.invalid/alsobought/none:1"
	if status := run([]string{"--image", nowhere, "--", "true"}, nil, nil, io.Discard, &stderr); status != exitFailed {
		t.Errorf("status %d, want %d", status, exitFailed)
	}
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, nowhere) {
		t.Errorf("said %q, want one line that names the image", got)
	}
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	wantNoContainer(t)
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	server, status, err := start(image(t), signals)
	if removeErr := server.remove(); removeErr != nil {
		t.Error(removeErr)
	}
	if status != exitSignal+int(syscall.SIGTERM) || err == nil {
		t.Errorf("status %d and error %v, want %d and an error", status, err, exitSignal+int(syscall.SIGTERM))
	}
}
