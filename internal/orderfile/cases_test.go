package orderfile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile/datatest"
	"github.com/alsobought/alsobought/internal/orderfile"
)

var update = flag.Bool("update", false, "write what the cases yield into testdata")

// TestCases reads each input of testdata/cases as is and in every other form: compressed, in another encoding, byte by
// byte. The result must be the same.
func TestCases(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prose, files := readCase(t, path)
			opts := orderfile.Options{}
			if text := files["options"]; text != "" {
				if err := json.Unmarshal([]byte(text), &opts); err != nil {
					t.Fatal(err)
				}
			}
			opts.Name = name
			input := unescape(t, files["input"])
			got := account(bytes.NewReader(input), opts)
			if *update {
				writeCase(t, path, prose, files["options"], files["input"], got)
				return
			}
			for dress, source := range datatest.Dresses(t, input, opts.Encoding) {
				if diff := cmp.Diff(files["want"], account(source, opts)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", dress, diff)
				}
			}
		})
	}
}

// account renders everything that a source yields.
func account(source io.Reader, opts orderfile.Options) string {
	var b strings.Builder
	r, err := orderfile.Open(source, opts)
	if err != nil {
		fmt.Fprintf(&b, "open: %v\n", err)
		return b.String()
	}
	for rows := 0; ; rows++ {
		line, reject, err := r.Read()
		switch {
		case err != nil:
			m := r.Mapping()
			if err != io.EOF {
				fmt.Fprintf(&b, "error: %v\n", err)
			}
			fmt.Fprintf(&b, "%d rows, %s %q header=%t order=%q item=%q", rows, m.Format, m.Delimiter, m.Header, m.Order, m.Item)
			fmt.Fprintf(&b, " quantity=%q time=%q customer=%q\n", m.Quantity, m.Time, m.Customer)
			for _, more := range []string{m.Profile, m.Status, m.Returned, m.Zone, m.Code, strings.Join(m.UnknownStatuses, " ")} {
				if more != "" {
					fmt.Fprintf(&b, "%s\n", more)
				}
			}
			for _, note := range m.Notes {
				fmt.Fprintf(&b, "note: %s\n", note)
			}
			return b.String()
		case reject != nil:
			fmt.Fprintf(&b, "%d: %s: %s | %+q", reject.Number, reject.Reason, reject.Detail, reject.Raw)
			if reject.Said != nil {
				said, _ := json.Marshal(reject.Said) //nolint:errchkjson // text always can be
				fmt.Fprintf(&b, " says %+q", said)
			}
			b.WriteString(takenBack(line) + "\n")
		default:
			fmt.Fprintf(&b, "%d: %+q %+q", line.Number, line.Order, line.Item)
			if !line.Quantity.IsZero() {
				fmt.Fprintf(&b, " x %v", line.Quantity)
			}
			if !line.OrderedAt.IsZero() {
				fmt.Fprintf(&b, " at %s", line.OrderedAt.Format(time.RFC3339Nano))
			}
			if line.Customer != "" {
				fmt.Fprintf(&b, " by %+q", line.Customer)
			}
			b.WriteString(takenBack(line) + "\n")
		}
	}
}

func takenBack(line orderfile.Line) string {
	switch {
	case !line.Returned.Any():
		return ""
	case line.Returned.All:
		return fmt.Sprintf(" takes back all of %+q %+q", line.Order, line.Item)
	}
	return fmt.Sprintf(" takes back %v of %+q %+q", line.Returned.Quantity, line.Order, line.Item)
}

// readCase parses a txtar archive: prose, then files, each after a line "-- name --".
func readCase(t testing.TB, path string) (prose string, files map[string]string) {
	t.Helper()
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	name := ""
	for line := range strings.Lines(string(archive)) {
		if rest, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(rest, " --\n") {
			name = strings.TrimSuffix(rest, " --\n")
			continue
		}
		files[name] += line
	}
	return files[""], files
}

func writeCase(t *testing.T, path, prose, options, input, want string) {
	t.Helper()
	text := prose
	if options != "" {
		text += "-- options --\n" + options
	}
	text += "-- input --\n" + input + "-- want --\n" + want
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unescape interprets Go's escapes. It keeps the line break unless the line ends in an escaped one or in \c.
func unescape(t testing.TB, text string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if body, ok := strings.CutSuffix(line, `\c`); ok {
			line = body
		} else if !strings.HasSuffix(line, `\r\n`) {
			line += `\n`
		}
		for line != "" {
			r, multibyte, rest, err := strconv.UnquoteChar(line, 0)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if line = rest; r < utf8.RuneSelf || multibyte {
				b = utf8.AppendRune(b, r)
			} else {
				b = append(b, byte(r))
			}
		}
	}
	return b
}
