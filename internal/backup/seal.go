package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	manifestName = "manifest.json"
	sumsName     = "SHA256SUMS" // as sha256sum writes and checks it
)

// sumLine matches a line of SHA256SUMS. pg_dump writes only plain file names.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  (manifest\.json|dump/[A-Za-z0-9._-]+)$`)

// seal writes the manifest and the checksums beside the dump in work, syncs everything to disk, and renames
// work to the backup's path.
func seal(work string, b *Backup) error {
	files, err := filepath.Glob(filepath.Join(work, dumpName, "*"))
	if err != nil {
		return fmt.Errorf("list the dump: %w", err)
	}
	var sums bytes.Buffer
	for _, file := range files {
		sum, size, err := hashFile(context.Background(), file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s/%s\n", sum, dumpName, filepath.Base(file))
		b.Manifest.Files++
		b.Manifest.Bytes += size
	}
	text, err := json.MarshalIndent(b.Manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), manifestName)
	for name, content := range map[string][]byte{manifestName: text, sumsName: sums.Bytes()} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	files = append(files, filepath.Join(work, manifestName), filepath.Join(work, sumsName),
		filepath.Join(work, dumpName), work)
	for _, file := range files {
		if err := syncFile(file); err != nil {
			return err
		}
	}
	if err := os.Rename(work, b.Path); err != nil {
		return fmt.Errorf("rename the backup: %w", err)
	}
	return syncFile(filepath.Dir(b.Path))
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync to disk: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("sync to disk: %w", err)
	}
	return nil
}

func hashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = file.Close() }() // read only
	hash := sha256.New()
	size, err = io.Copy(hash, readerOf(ctx, file))
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

// readerOf returns a reader that fails once ctx ends: hashing a large file takes minutes.
func readerOf(ctx context.Context, r io.Reader) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// damage returns the error for a backup that differs from what was written.
func damage(path, problem string) error {
	return fmt.Errorf("backup %s is damaged: %s; use another backup", path, problem)
}

// Open verifies every byte of a backup and returns it.
func Open(ctx context.Context, path string) (Backup, error) {
	path = filepath.Clean(path)
	text, err := os.ReadFile(filepath.Join(path, sumsName))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !exists(path):
		return Backup{}, fmt.Errorf("there is no backup %s", path)
	case err != nil:
		return Backup{}, fmt.Errorf("%s is not a backup: its %s cannot be read", path, sumsName)
	}
	sums, err := parseSums(text)
	if err != nil {
		return Backup{}, damage(path, err.Error())
	}
	var read int64
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		sum, size, err := hashFile(ctx, filepath.Join(path, name))
		switch {
		case ctx.Err() != nil:
			return Backup{}, ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return Backup{}, damage(path, name+" is missing")
		case err != nil:
			return Backup{}, fmt.Errorf("read backup %s: %w", path, err)
		case sum != sums[name]:
			return Backup{}, damage(path, name+" does not match its checksum")
		case name != manifestName:
			read += size
		}
	}
	b := Backup{Path: path}
	if b.Manifest, err = readManifest(path); err != nil {
		return Backup{}, err
	}
	if len(sums) != b.Manifest.Files+1 || read != b.Manifest.Bytes {
		return Backup{}, damage(path, "its files are not those of the manifest")
	}
	return b, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		match := sumLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil || !strings.HasSuffix(line, "\n") || sums[match[2]] != "" {
			return nil, errors.New(sumsName + " is malformed")
		}
		sums[match[2]] = match[1]
	}
	if sums[manifestName] == "" {
		return nil, errors.New(sumsName + " is malformed")
	}
	return sums, nil
}

func readManifest(path string) (m Manifest, err error) {
	text, err := os.ReadFile(filepath.Join(path, manifestName))
	if err != nil {
		return m, fmt.Errorf("%s is not a backup: %w", path, err)
	}
	var kind struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &kind); err != nil || kind.Format < 1 {
		return m, fmt.Errorf("%s is not a backup: its %s cannot be read", path, manifestName)
	}
	if kind.Format > format {
		return m, fmt.Errorf("backup %s was made by a newer alsobought (format %d, this version reads %d): use that version",
			path, kind.Format, format)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("backup %s: read manifest: %w", path, err)
	}
	return m, nil
}
