package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// resetPeak lets peakBytes count from now on. Memory that the measurements before have left is given back first.
func resetPeak() {
	debug.FreeOSMemory()
	// 5 resets the high-water mark (proc(5)). Where that is not possible, peakBytes counts from the start of the process:
	// never too little.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peakBytes is the most memory that was resident since resetPeak; 0 where the system does not say (it is Linux that
// does).
func peakBytes() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}
