// Command testpg runs a command against a PostgreSQL server in a container of its own:
//
//	testpg [--image postgres:17] -- go test ./...
//
// The command finds the superuser's URL in TEST_DATABASE_URL. testpg ends with the command's exit status, and the
// container is gone by then, whatever the command did and whoever interrupted it. Only a kill -9 of testpg itself
// leaves the container behind; `docker ps --filter label=alsobought.testpg` finds it, the label's value is the process
// id of the testpg that it belonged to.
//
// The image must follow the conventions of the official one: POSTGRES_PASSWORD and PGDATA in the environment, a server
// on port 5432, "postgres -c ..." as arguments. testpg never keeps data and never touches a container that it did not
// start.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

const (
	defaultImage = "postgres:17"
	port         = "5432/tcp"
	label        = "alsobought.testpg"

	// sharedMemory is where parallel queries meet. Docker's default of 64 MiB is too small for hash joins of real sizes.
	sharedMemory = 1 << 30

	startTimeout = 2 * time.Minute
	pingTimeout  = 2 * time.Second
	pollInterval = 100 * time.Millisecond
	// stopTimeout is what an interrupted command gets to clean up before it is killed.
	stopTimeout = 15 * time.Second
)

// Exit statuses of testpg itself; otherwise it ends with the command's.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotRunnable = 127
	exitSignal      = 128 // plus the signal's number
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

func run(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("testpg", flag.ContinueOnError)
	flags.SetOutput(stderr)
	image := flags.String("image", defaultImage, "PostgreSQL `image`, pulled if it is not there")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: testpg [--image IMAGE] -- COMMAND [ARGUMENT...]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return exitUsage
	}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	server, status, err := start(*image, signals)
	defer func() {
		if err := server.remove(); err != nil {
			fmt.Fprintln(stderr, "testpg: the container is still there:", err)
		}
	}()
	if err != nil {
		fmt.Fprintf(stderr, "testpg: no PostgreSQL from image %s: %s\n", *image, oneLine(err))
		return status
	}

	// Not a context that kills: an interrupted command is asked first, see runCommand.
	command := exec.CommandContext(context.Background(), flags.Arg(0), flags.Args()[1:]...)
	command.Env = slices.Concat(environ, []string{"TEST_DATABASE_URL=" + server.url})
	command.Stdin, command.Stdout, command.Stderr = stdin, stdout, stderr
	// A group of its own, so that a signal reaches the tests and not only the `go` that waits for them.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	status, err = runCommand(command, signals)
	if err != nil {
		fmt.Fprintln(stderr, "testpg:", err)
	}
	return status
}

// server is a PostgreSQL container; its zero value has nothing to remove.
type server struct {
	container *testcontainers.DockerContainer
	url       string
}

var setUpLibrary = sync.OnceValue(func() error {
	tclog.SetDefault(tclog.NewNoopLogger())
	// Ryuk, the library's cleaner, is a second image to pull and a container with the Docker socket in it; remove does its
	// work.
	return os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
})

// start returns once the server answers queries. The returned server is to be removed even after an error,
// since a container that did not come up is a container all the same.
func start(image string, signals <-chan os.Signal, extra ...testcontainers.ContainerCustomizer) (server, int, error) {
	if err := setUpLibrary(); err != nil {
		return server{}, exitFailed, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	type result struct {
		server server
		err    error
	}
	done := make(chan result, 1)
	go func() {
		s, err := startServer(ctx, image, extra)
		done <- result{s, err}
	}()

	select {
	case r := <-done:
		return r.server, exitFailed, r.err
	case sig := <-signals:
		cancel()
		r := <-done // there may be a container by now
		return r.server, signalStatus(sig), fmt.Errorf("interrupted by %s", sig)
	}
}

func startServer(ctx context.Context, image string, extra []testcontainers.ContainerCustomizer) (server, error) {
	// Pulling an image may be given up at any moment, creating a container may not: the daemon would go on, and its name
	// never reach us.
	creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	goOn := context.AfterFunc(ctx, cancel)
	beforeCreation := func(context.Context, testcontainers.ContainerRequest) error {
		if !goOn() {
			return context.Canceled
		}
		return nil
	}

	password := rand.Text()
	options := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(port),
		testcontainers.WithLabels(map[string]string{label: strconv.Itoa(os.Getpid())}),
		testcontainers.WithEnv(map[string]string{
			"POSTGRES_PASSWORD": password,
			"PGDATA":            "/pgdata/data",
		}),
		// In memory and without fsync: the data does not outlive the tests, and a template database is cloned in 20 ms.
		testcontainers.WithTmpfs(map[string]string{"/pgdata": "rw"}),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) { host.ShmSize = sharedMemory }),
		testcontainers.WithCmd("postgres",
			"-c", "fsync=off",
			"-c", "synchronous_commit=off",
			"-c", "full_page_writes=off",
			"-c", "max_connections=300",
		),
		testcontainers.WithAdditionalLifecycleHooks(testcontainers.ContainerLifecycleHooks{
			PreCreates: []testcontainers.ContainerRequestHook{beforeCreation},
		}),
	}
	started, err := testcontainers.Run(creating, image, append(options, extra...)...)
	s := server{container: started}
	if err != nil {
		return s, err
	}
	host, err := started.Host(ctx)
	if err != nil {
		return s, fmt.Errorf("find the container's host: %w", err)
	}
	mapped, err := started.MappedPort(ctx, port)
	if err != nil {
		return s, fmt.Errorf("find the container's port: %w", err)
	}
	var urls []string
	// Inside a container the library takes the gateway for the host, which is wrong where the Docker daemon runs in the
	// same container.
	for _, host := range []string{host, "127.0.0.1"} {
		u := url.URL{
			Scheme:   "postgres",
			User:     url.UserPassword("postgres", password),
			Host:     net.JoinHostPort(host, mapped.Port()),
			Path:     "/postgres",
			RawQuery: "sslmode=disable",
		}
		urls = append(urls, u.String())
	}
	s.url, err = waitReady(ctx, started, urls)
	return s, err
}

// waitReady returns the first of the URLs at which the server answers. It asks by TCP and from outside: the server that
// runs the official image's initialisation listens on a unix socket only, and is not the one to wait for.
func waitReady(ctx context.Context, started testcontainers.Container, urls []string) (string, error) {
	for {
		var unready error
		for _, u := range urls {
			if unready = ping(ctx, u); unready == nil {
				return u, nil
			}
		}
		state, err := started.State(ctx)
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("it does not answer: %w", unready)
		case err != nil:
			return "", fmt.Errorf("look at the container: %w", err)
		case !state.Running:
			return "", fmt.Errorf("its server ended with status %d: %s", state.ExitCode, lastWords(ctx, started))
		}
		time.Sleep(pollInterval)
	}
}

func ping(ctx context.Context, serverURL string) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.Ping(ctx)
}

// lastWords returns the last lines of the container's log.
func lastWords(ctx context.Context, ended testcontainers.Container) string {
	logs, err := ended.Logs(ctx)
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	defer func() { _ = logs.Close() }()
	text, _ := io.ReadAll(logs) // what there is of it
	const enough = 3
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-enough):], " ")
}

// remove kills the container at once, with its volumes; there is nothing in it worth an orderly shutdown.
func (s server) remove() error {
	return testcontainers.TerminateContainer(s.container, testcontainers.StopTimeout(0))
}

// runCommand runs the command to its end, passes signals on to it, and returns the exit status that stands for its end.
func runCommand(command *exec.Cmd, signals <-chan os.Signal) (int, error) {
	if err := command.Start(); err != nil {
		return exitNotRunnable, err
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()

	interrupted := 0
	var kill <-chan time.Time
	for {
		select {
		case sig := <-signals:
			interrupted = signalStatus(sig)
			kill = time.After(stopTimeout)
			signalGroup(command, sig)
		case <-kill:
			signalGroup(command, syscall.SIGKILL)
		case err := <-done:
			if interrupted != 0 {
				return interrupted, nil
			}
			return commandStatus(err)
		}
	}
}

// signalGroup passes a signal to the command and its children. They may have ended meanwhile, which Wait reports.
func signalGroup(command *exec.Cmd, sig os.Signal) {
	if s, ok := sig.(syscall.Signal); ok {
		_ = syscall.Kill(-command.Process.Pid, s)
	}
}

func commandStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return exitFailed, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

func signalStatus(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return exitSignal + int(s)
	}
	return exitFailed
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
