package orderfile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"

	"github.com/alsobought/alsobought/internal/datafile"
)

// Lineage is what the order ids that are made for the lines of a basket list begin with, and how the list is known again
// once it has grown: by its beginning. A list that begins otherwise is another one, whatever it is called.
type Lineage struct {
	Prefix string `json:"prefix"` // the number of the line follows
	Bytes  int64  `json:"bytes"`  // of the beginning, at most 64 KiB
	SHA256 string `json:"sha256"` // of the beginning, in hexadecimal

	// Stored says that Bytes and SHA256 are of the file as a whole and as it was stored: no more is known of files that were
	// loaded before there were lineages.
	Stored bool `json:"-"`
}

// lineageOf is that of a list: the one that it continues, or its own.
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
	// Of each lineage the longest beginning that the list can have decides: it began with the shorter ones, too.
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

// continued gives l the prefix of a file that the list continues and of which only the stored bytes are known.
func continued(list *datafile.Reader, stored []Lineage, l *Lineage) error {
	slices.Reverse(stored) // the shortest first
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
