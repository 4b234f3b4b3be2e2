package dashboard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
)

const (
	usualUpload  = 1 << 30          // bytes, see Config.MaxUpload
	mostUploads  = 4                // that are received or wait to be loaded
	mostFiles    = 100              // of one upload
	uploadLife   = 30 * time.Minute // without anybody looking at it
	uploadPause  = 30 * time.Second // between two pieces of what is sent
	uploadWithin = 2 * time.Hour    // all of it
)

// uploads are the files that wait to be loaded.
type uploads struct {
	mu        sync.Mutex
	list      map[string]*upload
	receiving int

	turn sync.Mutex // of loads: a server has connections for one
}

// upload is what one form brought. Its files have no names any more: they go with the process at the latest.
type upload struct {
	ID    string
	By    string
	At    time.Time
	Files []*heldFile
	Bytes int64

	seen atomic.Int64 // when somebody last looked, in seconds
	use  sync.Mutex   // of the files, which are read by one at a time

	mu      sync.Mutex
	gone    bool // the files are closed
	plan    *plan
	loading *loading
}

// heldFile is a file that was sent.
type heldFile struct {
	Name string
	Size int64
	file *os.File
}

// plan is what a load of an upload would do.
type plan struct {
	key    string // the options, as the form says them
	cancel context.CancelFunc
	done   chan struct{} // closed when the others can be read
	Found  *load.Rehearsal
	Err    error

	progress atomic.Pointer[load.Progress]
}

// loading is a load of an upload.
type loading struct {
	began    time.Time
	done     chan struct{} // closed when the others can be read
	Loaded   *db.Load
	Build    *db.Build
	Err      error // of the load
	BuildErr error

	progress atomic.Pointer[load.Progress]
	started  atomic.Bool // before, it waits for other loads of this server
	building atomic.Bool
}

// hold makes room for one more upload, and drops those that nobody looks at any more.
func (u *uploads) hold() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, up := range u.list {
		if time.Since(time.Unix(up.seen.Load(), 0)) > uploadLife && up.drop() {
			delete(u.list, id)
		}
	}
	waiting := 0
	for _, up := range u.list {
		if !up.isGone() {
			waiting++
		}
	}
	if waiting+u.receiving >= mostUploads {
		return invalid{fmt.Sprintf("%d uploads are waiting already: load or discard one of them first.", waiting+u.receiving)}
	}
	u.receiving++
	return nil
}

// keep ends hold, with what was received, or nil.
func (u *uploads) keep(up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.receiving--
	if up == nil {
		return
	}
	if u.list == nil {
		u.list = map[string]*upload{}
	}
	u.list[up.ID] = up
}

// find returns an upload, which somebody looks at.
func (u *uploads) find(id string) (*upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.list[id]
	if up == nil {
		return nil, invalid{"This upload is gone: it was loaded or discarded, it expired after half an hour, or the server " +
			"was restarted. Choose the files again."}
	}
	up.seen.Store(time.Now().Unix())
	return up, nil
}

// waiting are the uploads that nobody has loaded, the newest first.
func (u *uploads) waiting() (list []*upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, up := range u.list {
		if !up.isGone() {
			list = append(list, up)
		}
	}
	slices.SortFunc(list, func(a, b *upload) int { return b.At.Compare(a.At) })
	return list
}

// dropAll is the end.
func (u *uploads) dropAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, up := range u.list {
		up.drop()
	}
	clear(u.list)
}

func (up *upload) isGone() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.gone
}

// drop closes the files, unless they are being loaded.
func (up *upload) drop() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.loading != nil && !isClosed(up.loading.done) {
		return false
	}
	up.closeFiles()
	return true
}

// closeFiles is called with the lock.
func (up *upload) closeFiles() {
	if up.gone {
		return
	}
	up.gone = true
	if up.plan != nil {
		up.plan.cancel()
	}
	for _, f := range up.Files {
		_ = f.file.Close() // it was only read
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// sources are the files, for one reader at a time: they share their places.
func (up *upload) sources() []load.Source {
	list := make([]load.Source, 0, len(up.Files))
	for _, f := range up.Files {
		list = append(list, datafile.Source{Name: f.Name, Open: f.open})
	}
	return list
}

// open returns the file once more, from its beginning.
func (f *heldFile) open() (io.ReadCloser, error) {
	fd, err := unix.FcntlInt(f.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s again: %w", f.Name, err)
	}
	again := os.NewFile(uintptr(fd), f.Name)
	if _, err := again.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s again: %w", f.Name, err), again.Close())
	}
	return again, nil
}

// receive takes files and shows what would become of them.
func (d *Dashboard) receive(v *visit) error {
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	if err := d.uploads.hold(); err != nil {
		return err
	}
	var received *upload
	defer func() { d.uploads.keep(received) }()
	up := &upload{ID: rand.Text(), By: v.key.Name, At: time.Now()}
	up.seen.Store(up.At.Unix())
	err := d.readFiles(v, up)
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(time.Minute)) // of a test's writer there is none
	if err != nil {
		up.drop()
		return err
	}
	received = up
	v.seeOther(base + "/loads/upload?id=" + up.ID)
	return nil
}

// readFiles streams the files of a form into temporary ones.
func (d *Dashboard) readFiles(v *visit, up *upload) error {
	v.r.Body = &patientBody{v.r.Body, http.NewResponseController(v.w), time.Now().Add(uploadWithin)}
	form, err := v.r.MultipartReader()
	if err != nil {
		return invalid{"The form cannot be read."}
	}
	for {
		part, err := form.NextPart()
		switch {
		case err == io.EOF && len(up.Files) == 0:
			return invalid{"Choose a file first."}
		case err == io.EOF:
			return nil
		case err != nil:
			return invalid{"The upload was interrupted: send the files again."}
		case part.FileName() == "":
			continue
		case len(up.Files) == mostFiles:
			return invalid{fmt.Sprintf("More than %d files: put them into a zip archive.", mostFiles)}
		}
		if err := d.readFile(up, part, path.Base(part.FileName())); err != nil {
			return err
		}
	}
}

func (d *Dashboard) readFile(up *upload, from io.Reader, name string) error {
	file, err := os.CreateTemp("", "alsobought-upload-*")
	if err != nil {
		return fmt.Errorf("store an upload: %w", err)
	}
	up.Files = append(up.Files, &heldFile{Name: name, file: file})
	if err := os.Remove(file.Name()); err != nil { // it lives as long as it is open
		return fmt.Errorf("store an upload: %w", err)
	}
	size, err := io.Copy(file, io.LimitReader(from, d.MaxUpload-up.Bytes+1))
	up.Bytes += size
	up.Files[len(up.Files)-1].Size = size
	switch {
	case up.Bytes > d.MaxUpload:
		return invalid{fmt.Sprintf("Uploads can have at most %s. Load larger files in a shell: alsobought load FILE",
			sizeOf(d.MaxUpload))}
	case errors.Is(err, unix.ENOSPC):
		return invalid{"The server is out of disk space: free some in its temporary directory, or load the file in a shell."}
	case err != nil:
		return invalid{"The upload was interrupted: send the files again."}
	}
	return nil
}

func sizeOf(bytes int64) string { return size(bytes) }

// patientBody is a body that may take its time as long as something comes.
type patientBody struct {
	io.ReadCloser

	control *http.ResponseController
	until   time.Time
}

func (b *patientBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(uploadPause)
	if deadline.After(b.until) {
		deadline = b.until
	}
	_ = b.control.SetReadDeadline(deadline) // of a test's connection there is none
	return b.ReadCloser.Read(p)
}

func (d *Dashboard) discardUpload(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	up, err := d.uploads.find(v.r.PostFormValue("id"))
	if err != nil {
		return err
	}
	if !up.drop() {
		return invalid{"These files are being loaded. Wait until the load ends, then revert it if you do not want it."}
	}
	return v.done("/loads", "The files were discarded; nothing was loaded.", 0)
}
