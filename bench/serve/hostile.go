package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"
)

// attackers is the address that hostile clients come from: the server holds it to the rate that addresses have by
// default.
const attackers = "127.0.0.2"

// attack is what hostile clients do over and over, each on connections of its own, until ctx ends.
type attack struct {
	name    string
	clients int
	once    func(ctx context.Context, dial func() (net.Conn, error)) error
}

var attacks = []attack{
	{"10,000 connections, idle", 10_000, hold("")},
	{"1,000 connections, a header byte a second", 1000, hold("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")},
	{"1,000 connections, a body byte a second", 1000, hold(post(1000))},
	{"bodies of 100 MB", 8, send(post(100<<20), strings.Repeat("[", 1<<20), 100)},
	{"1 MB of nested arrays", 8, send(post(1<<20), strings.Repeat("[", 1<<20), 1)},
	{"headers of 1 MB", 8, send("GET / HTTP/1.1\r\nHost: localhost\r\n", strings.Repeat("X-Flood: "+strings.Repeat("x", 999)+"\r\n", 1000), 1)},
	{"bad UTF-8", 8, send(post(len(badUTF8)), badUTF8, 1)},
	{"SQL and paths in names", 8, send("GET /api/v1/similar-items/"+
		"..%2f..%2fetc%2fpasswd%00';DROP%20TABLE%20orders;-- HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 1)},
	{"questions nobody asked before", 8, unheard},
}

const badUTF8 = "{\"items\":[\"\xff\xfe\"]}"

// post is the head of a request with a body of so many bytes.
func post(length int) string {
	const head = "POST /api/v1/basket-recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, length)
}

// hold says the beginning of a request and then a byte a second, as long as the server allows.
func hold(beginning string) func(context.Context, func() (net.Conn, error)) error {
	return func(ctx context.Context, dial func() (net.Conn, error)) error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer conn.Close()   //nolint:errcheck // nothing is kept there
		if beginning == "" { // the server ends it, or we do
			end := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer end()
			_, err := conn.Read(make([]byte, 1))
			return err
		}
		for chunk := beginning; ctx.Err() == nil; chunk = "x" {
			if _, err := io.WriteString(conn, chunk); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		return nil
	}
}

// send says a head and so many times the rest, and reads what the server answers.
func send(head, rest string, times int) func(context.Context, func() (net.Conn, error)) error {
	return func(ctx context.Context, dial func() (net.Conn, error)) error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // nothing is kept there
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err = io.WriteString(conn, head)
		for n := 0; n < times && err == nil && ctx.Err() == nil; n++ {
			_, err = io.WriteString(conn, rest)
		}
		buffer := make([]byte, 1<<10)
		_, readErr := conn.Read(buffer)
		return errors.Join(err, readErr)
	}
}

// unheard asks for work that no cache can save.
func unheard(ctx context.Context, dial func() (net.Conn, error)) error {
	path := fmt.Sprintf("/api/v1/popular-items?limit=100&exclude=%d", rand.Uint64()) //nolint:gosec // any will do
	return send("GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 1)(ctx, dial)
}

// measureHostile measures how fast others are answered during each attack, beside how fast just before it. Attackers and
// server share the CPUs of this machine, which is harder on the server than attackers on a network. It therefore also
// measures how many CPUs the server and its PostgreSQL spend on the attack: their CPU time, less what the answers to
// others cost before the attack.
func (o options) measureHostile(ctx context.Context, v *version, q questions, stdout, stderr io.Writer) (err error) {
	address, stop, err := v.serve(ctx, true, "--public-read", "--rate-limit", "100", "--key-rate-limit", "1000000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	key, err := command(ctx, v.binary, "keys", "create", "bench", "--data-dir", v.dataDir).Output()
	if err != nil {
		return fmt.Errorf("%s keys create: %w", v.binary, err)
	}
	victims := q.kinds(false)[2].withKey(strings.TrimSpace(string(key)))
	measure := func() (m measured, _ error) {
		spent, err := v.cpuSecondsOf(func() (err error) {
			m, err = closedLoop(ctx, address, victims, o.connections, o.each)
			return err
		})
		m.cpuSeconds = spent
		return m, err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "hostile clients\tattempts a second\tanswers a second\tratio\tCPUs spent on them\tp50 ms\tp99 ms\tlivez ms\t\n")
	for _, a := range attacks {
		fmt.Fprintf(stderr, "serve: %s\n", a.name)
		peace, err := measure()
		if err != nil {
			return err
		}
		attempts, war, livez, err := a.during(ctx, address, measure)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		spent := war.cpuSeconds - peace.cpuSeconds*float64(len(war.latencies))/float64(len(peace.latencies))
		fmt.Fprintf(table, "%s\t%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t%s\t\n", a.name, attempts, war.perSecond, war.perSecond/peace.perSecond,
			max(0, spent)/o.each.Seconds(), ms(war.percentile(50)), ms(war.percentile(99)), ms(livez))
	}
	return table.Flush()
}

// during measures while the attack goes on, and how long a new client waits for /livez. The attackers are another
// process, and a nice one: they stand for other machines, and shall not take processors from the server that they
// attack.
func (a attack) during(
	ctx context.Context, address string, measure func() (measured, error),
) (attempts string, m measured, livez time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", m, 0, fmt.Errorf("find this program: %w", err)
	}
	attacking := command(ctx, self, "--attack", a.name, "--address", address)
	var output strings.Builder
	attacking.Stdout = &output
	if err := attacking.Start(); err != nil {
		return "", m, 0, fmt.Errorf("start the attack: %w", err)
	}
	time.Sleep(2 * time.Second) // until all are there
	m, err = measure()
	began := time.Now()
	err = errors.Join(err, waitFor(ctx, address))
	livez = time.Since(began)
	err = errors.Join(err, attacking.Process.Signal(syscall.SIGTERM), attacking.Wait())
	return strings.TrimSpace(output.String()), m, livez, err
}

// fight runs the attack of a name until ctx ends, and prints how many attempts a second it made.
func fight(ctx context.Context, name, address string, stdout io.Writer) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return fmt.Errorf("be nice: %w", err)
	}
	n := slices.IndexFunc(attacks, func(a attack) bool { return a.name == name })
	if n < 0 {
		return fmt.Errorf("wrong usage: --attack %q is not one of those there are", name)
	}
	began := time.Now()
	var tries atomic.Int64
	var fighting sync.WaitGroup
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attackers)}, Timeout: patience}
	dial := func() (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) }
	for range attacks[n].clients {
		fighting.Go(func() {
			for ctx.Err() == nil {
				tries.Add(1)
				_ = attacks[n].once(ctx, dial) // refused or cut off, as it should be
			}
		})
	}
	fighting.Wait()
	_, err := fmt.Fprintf(stdout, "%.0f\n", float64(tries.Load())/time.Since(began).Seconds())
	return err
}

// withKey sends a key with every question.
func (k kind) withKey(key string) kind {
	next := k.next
	return kind{k.name, func(r *rand.Rand) []byte {
		return bytes.Replace(next(r), []byte("\r\n"), []byte("\r\nAuthorization: Bearer "+key+"\r\n"), 1)
	}}
}
