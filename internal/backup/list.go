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

// names lists the finished backups of a directory by their names, newest first. All else there is somebody else's.
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

// Newest is the path of the newest backup of a directory.
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

// prune removes the oldest backups of the same database until keep are left, and never the one just made, whatever
// the clock says. It returns the names of those removed.
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

// remove takes the name away first, so that half of a backup is never found under it.
func remove(dir, name string) error {
	doomed := filepath.Join(dir, name+unfinished)
	if err := os.Rename(filepath.Join(dir, name), doomed); err != nil {
		return err
	}
	return os.RemoveAll(doomed)
}

// removeUnfinished removes what a kill left. The caller holds the lock: nobody writes it.
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
