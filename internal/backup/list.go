package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// names returns the names of the finished backups in a directory, newest first. Other entries are ignored.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("directory of backups: %w", err)
	}
	var list []string
	for _, e := range entries {
		if e.IsDir() && isName(e.Name()) {
			list = append(list, e.Name())
		}
	}
	slices.Sort(list)
	slices.Reverse(list)
	return list, nil
}

func isName(name string) bool {
	_, err := time.Parse(nameLayout, name)
	return err == nil
}

// Newest returns the path of the newest backup in a directory.
func Newest(dir string) (string, error) {
	list, err := names(dir)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", fmt.Errorf("there is no backup in %s: create one with alsobought backup", dir)
	}
	return filepath.Join(dir, list[0]), nil
}

// prune removes the oldest backups of the same database until keep are left. It never removes the one just
// made, even if the clock was set back. It returns the names of the removed backups.
func prune(dir string, made Backup, keep int) (removed []string, err error) {
	if keep < 1 {
		return nil, nil
	}
	list, err := names(dir)
	if err != nil {
		return nil, err
	}
	others := keep - 1
	for _, name := range list {
		m, err := readManifest(filepath.Join(dir, name))
		if name == made.Name() || err != nil || !m.DatabaseSince.Equal(made.Manifest.DatabaseSince) {
			continue
		}
		if others--; others >= 0 {
			continue
		}
		if err := remove(dir, name); err != nil {
			return removed, fmt.Errorf("the backup is complete, but an older one could not be removed: %w", err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// remove renames the backup first, so that half a backup is never found under its name.
func remove(dir, name string) error {
	trash := filepath.Join(dir, name+unfinished)
	if err := os.Rename(filepath.Join(dir, name), trash); err != nil {
		return err
	}
	return os.RemoveAll(trash)
}

// removeUnfinished removes what a killed process left. The caller holds the lock, so no backup is being
// written.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("directory of backups: %w", err)
	}
	for _, e := range entries {
		if name, ours := strings.CutSuffix(e.Name(), unfinished); ours && e.IsDir() && isName(name) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove an unfinished backup: %w", err)
			}
		}
	}
	return nil
}
