package localpg

import (
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Root in a container cannot inspect other users' processes, and still has to find its server.
func TestRootWithoutPtraceFindsItsServer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(tempDir(t), "data"), Throwaway: true})
	defer closeServer(t, s)
	master := readPostmaster(s.place.data)
	if !master.alive {
		t.Fatal("the postmaster is not found at all")
	}
	found := make(chan bool)
	go func() {
		// Never unlocked: the thread that has lost the capability ends with this goroutine.
		runtime.LockOSThread()
		if err := dropPtrace(); err != nil {
			t.Error(err)
		}
		found <- isPostgres(master.pid, s.place.data)
	}()
	if !<-found {
		t.Error("the postmaster is not found without CAP_SYS_PTRACE")
	}
}

// dropPtrace takes the capability from the calling thread alone.
func dropPtrace() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_PTRACE
	return unix.Capset(&header, &data[0])
}
