package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
)

// cpuSecondsOf returns the CPU time of the server and its private PostgreSQL while do runs.
func (v *version) cpuSecondsOf(do func() error) (float64, error) {
	before, err := v.cpuSeconds()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := v.cpuSeconds()
	return after - before, err
}

// cpuSeconds returns the CPU time so far of the server and its private PostgreSQL, ended child processes included.
func (v *version) cpuSeconds() (seconds float64, err error) {
	lock, err := os.ReadFile(filepath.Join(v.dataDir, "pg", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("find the server's PostgreSQL: %w", err)
	}
	first, _, _ := bytes.Cut(lock, []byte("\n"))
	postmaster, err := strconv.Atoi(string(first))
	if err != nil {
		return 0, fmt.Errorf("find the server's PostgreSQL: %w", err)
	}
	processes, err := procfs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	found := false
	for _, p := range processes {
		stat, err := p.Stat()
		if err != nil {
			continue // it has ended
		}
		switch {
		case p.PID == v.pid || p.PID == postmaster:
			found = found || p.PID == v.pid
			seconds += stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/ticksPerSecond
		case stat.PPID == postmaster:
			seconds += stat.CPUTime()
		}
	}
	if !found {
		return 0, errors.New("the server has ended")
	}
	return seconds, nil
}

// ticksPerSecond is the unit of /proc/PID/stat on Linux (USER_HZ).
const ticksPerSecond = 100
