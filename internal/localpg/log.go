package localpg

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	logName    = "server.log"
	maxLogSize = 10 << 20
	// reasonTail is how much of the end of the log is searched for the reason of a failure.
	reasonTail = 64 << 10
)

// fatalLine matches the final error of PostgreSQL and initdb.
var fatalLine = regexp.MustCompile(`(?:FATAL:  |PANIC:  |error: )(.+)`)

// serverLog is the log file, which the server programs inherit, and the offset where this start's messages
// begin.
type serverLog struct {
	file  *os.File
	begin int64
}

func openServerLog(dir string) (*serverLog, error) {
	// O_NOFOLLOW, because root opens it in a directory that may be another's.
	file, err := os.OpenFile(filepath.Join(dir, logName), os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, deniedError(dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil && size > maxLogSize {
		// Truncated instead of renamed: a new file would belong to root in a directory that belongs to another
		// user.
		size, err = 0, file.Truncate(0)
	}
	if err != nil {
		_ = file.Close() // the first error says more
		return nil, fmt.Errorf("server log: %w", err)
	}
	return &serverLog{file: file, begin: size}, nil
}

func (l *serverLog) close() { _ = l.file.Close() } // written by the server

// reason returns one line: why the program that wrote last gave up.
func (l *serverLog) reason() string {
	size, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	tail := io.NewSectionReader(l.file, max(l.begin, size-reasonTail), reasonTail)
	content, err := io.ReadAll(tail)
	if err != nil {
		return err.Error()
	}
	last, reason := "it exited without a message", ""
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
		// Other clients may have tried to connect during the start.
		match := fatalLine.FindStringSubmatch(line)
		if match != nil && !strings.HasPrefix(match[1], "the database system is") {
			reason = match[1]
		}
	}
	if reason == "" {
		return last
	}
	return reason
}
