package orderfile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"

	"github.com/alsobought/alsobought/internal/datafile"
)

// Lineage identifies a basket list without order ids. Its prefix starts the ids made for the list's lines; the hash of
// its beginning recognises the list after it has grown. A list with a different beginning is a different list, whatever
// its name.
type Lineage struct {
	Prefix string `json:"prefix"` // followed by the line number
	Bytes  int64  `json:"bytes"`  // length of the beginning, at most 64 KiB
	SHA256 string `json:"sha256"` // of the beginning, hexadecimal

	// Stored means that Bytes and SHA256 describe the whole file as it was stored, possibly compressed. Nothing else is
	// known of files loaded before lineages were introduced.
	Stored bool `json:"-"`
}

// lineageOf returns the lineage that the list continues, or a new one.
func lineageOf(list *datafile.Reader, opts Options) (Lineage, error) {
	base := filepath.Base(cmp.Or(opts.Name, "input"))
	start := list.Beginning()
	l := Lineage{Bytes: int64(len(start)), SHA256: sum(start)}
	l.Prefix = base + "~" + l.SHA256[:8] + ":"
	if opts.Earlier == nil {
		return l, nil
	}
	earlier, err := opts.Earlier(base)
	if err != nil {
		return l, err
	}
	// Try only the longest beginning of each lineage that fits: the shorter ones are prefixes of it.
	slices.SortStableFunc(earlier, func(a, b Lineage) int { return cmp.Compare(b.Bytes, a.Bytes) })
	tried := map[string]bool{}
	var stored []Lineage
	for _, e := range earlier {
		switch {
		case e.Stored:
			stored = append(stored, e)
		case e.Bytes > l.Bytes || tried[e.Prefix]:
		case sum(start[:e.Bytes]) == e.SHA256:
			l.Prefix = e.Prefix
			return l, nil
		default:
			tried[e.Prefix] = true
		}
	}
	return l, continued(list, stored, &l)
}

// continued gives l the prefix of an earlier file, known only by its stored bytes, that the list continues.
func continued(list *datafile.Reader, stored []Lineage, l *Lineage) error {
	slices.Reverse(stored) // shortest first
	sizes := make([]int64, len(stored))
	for i, e := range stored {
		sizes[i] = e.Bytes
	}
	sums, err := list.StoredSums(sizes)
	for i, s := range sums {
		if hex.EncodeToString(s) == stored[i].SHA256 {
			l.Prefix = stored[i].Prefix
		}
	}
	return err
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
