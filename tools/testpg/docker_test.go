//go:build docker

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// These tests need Docker and the image of TEST_PG_IMAGE, so they have a build tag, which make test sets under
// TEST_PG=docker.

func TestMain(m *testing.M) {
	code := m.Run()
	left, err := containers(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "list containers:", err)
		code = 1
	}
	for _, c := range left {
		fmt.Fprintf(os.Stderr, "the tests left container %s of %s, %s\n", c.ID, c.Image, c.Status)
		code = 1
	}
	os.Exit(code)
}

// containers are those of this process, running or not.
func containers(ctx context.Context) ([]container.Summary, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return nil, err
	}
	defer func() { _ = provider.Close() }()
	ours := make(client.Filters).Add("label", label+"="+strconv.Itoa(os.Getpid()))
	list, err := provider.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	return list.Items, err
}

func image(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("TEST_PG_IMAGE"); given != "" {
		return given
	}
	return defaultImage
}

func TestServerAnswersAndGoes(t *testing.T) {
	t.Parallel()
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
	err = conn.QueryRow(t.Context(),
		"SELECT usesuper, current_setting('fsync') FROM pg_user WHERE usename = current_user").Scan(&superuser, &fsync)
	if err != nil {
		t.Fatal(err)
	}
	if !superuser || fsync != "off" {
		t.Errorf("superuser %t, fsync %s; want true, off", superuser, fsync)
	}
}

func TestRunEndsLikeItsCommand(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	// Every version refuses a port that is none.
	signals := make(chan os.Signal)
	server, status, err := start(image(t), signals, testcontainers.WithCmdArgs("-c", "port=none"))
	if removeErr := server.remove(); removeErr != nil {
		t.Error(removeErr)
	}
	if status != exitFailed || err == nil || !strings.Contains(err.Error(), `"port"`) {
		t.Errorf("status %d and error %v, want %d and the server's words on its port", status, err, exitFailed)
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	for _, tc := range []struct {
		name string
		when func(interrupt testcontainers.ContainerRequestHook) testcontainers.ContainerLifecycleHooks
	}{
		{
			"when the container is created",
			func(interrupt testcontainers.ContainerRequestHook) testcontainers.ContainerLifecycleHooks {
				return testcontainers.ContainerLifecycleHooks{PreCreates: []testcontainers.ContainerRequestHook{interrupt}}
			},
		},
		{"when it starts", func(interrupt testcontainers.ContainerRequestHook) testcontainers.ContainerLifecycleHooks {
			return testcontainers.ContainerLifecycleHooks{PreStarts: []testcontainers.ContainerHook{
				func(ctx context.Context, _ testcontainers.Container) error {
					return interrupt(ctx, testcontainers.ContainerRequest{})
				},
			}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			signals := make(chan os.Signal) // without a buffer: sent is seen
			interrupt := func(context.Context, testcontainers.ContainerRequest) error {
				signals <- syscall.SIGTERM
				return nil
			}
			server, status, err := start(image(t), signals, testcontainers.WithAdditionalLifecycleHooks(tc.when(interrupt)))
			if server.container == nil {
				t.Error("the creation was given up: the daemon may have gone on with it, and nobody would know")
			}
			if removeErr := server.remove(); removeErr != nil {
				t.Error(removeErr)
			}
			if status != exitSignal+int(syscall.SIGTERM) || err == nil {
				t.Errorf("status %d and error %v, want %d and an error", status, err, exitSignal+int(syscall.SIGTERM))
			}
		})
	}
}
