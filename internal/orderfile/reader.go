package orderfile

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// Reader reads the rows of a source of orders. It is not safe for concurrent use.
type Reader struct {
	in   *datafile.Reader
	opts Options
	rows rows
	line Line // of the row read last

	checks *checks
	notes  []string
	doubts *doubts

	lineage *Lineage // of a basket list without order ids
}

// rows is implemented once per kind of format. next reads the next row into a zero line, or returns a reject or an
// error.
type rows interface {
	next(l *Line) (*Reject, error)
}

// Mapping describes how a source was understood.
type Mapping struct {
	datafile.Shape

	// The columns or keys of each role, as written; "" if there is none. In JSON lines, the key of a role may turn up only
	// later in the file.
	Order    string `json:"order"`
	Item     string `json:"item"`
	Quantity string `json:"quantity,omitempty"`
	Time     string `json:"time,omitempty"`
	Customer string `json:"customer,omitempty"`
	Status   string `json:"status,omitempty"`
	Returned string `json:"returned,omitempty"`

	Profile string `json:"profile,omitempty"` // the export that was recognised
	Zone    string `json:"zone,omitempty"`
	Code    string `json:"code,omitempty"` // a column of item codes in a source that identifies items by name

	Notes           []string `json:"notes,omitempty"`            // remarks, one line each
	UnknownStatuses []string `json:"unknown_statuses,omitempty"` // at most 10; they count as bought

	TimeFormat string `json:"time_format,omitempty"`

	Lineage *Lineage `json:"lineage,omitempty"` // of a basket list without order ids
}

// Open inspects the beginning of src and returns a Reader of its rows. It returns the errors of datafile.Open and
// Options.Validate. A file with only a header is not an error: its first Read returns io.EOF.
func Open(src io.Reader, opts Options) (*Reader, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Format == "" && opts.BasketIDs != "" {
		opts.Format = datafile.Baskets
	}
	r, err := open(src, opts)
	if err != nil {
		return nil, err
	}
	survey := r.look()
	if seeker, ok := src.(io.Seeker); ok && survey.open() {
		if err := errors.Join(r.lookAtAll(seeker, &survey), r.in.Close()); err != nil {
			return nil, err
		}
		if r, err = open(src, opts); err != nil {
			return nil, err
		}
	}
	if r.notes, err = survey.conclude(r.checks, opts); err != nil {
		_ = r.in.Close() // nothing was written
		return nil, err
	}
	return r, nil
}

func open(src io.Reader, opts Options) (*Reader, error) {
	checks, err := newChecks(opts)
	if err != nil {
		return nil, err
	}
	kind := opts.kind()
	recognise := kind.Recognise
	kind.Recognise = func(has func(string) bool) []datafile.Role {
		checks.profile = profileOf(has)
		return recognise(has)
	}
	in, err := datafile.Open(src, opts.Options, kind)
	if err != nil {
		return nil, err
	}
	checks.fates.know(in.Found()[statusRole], checks.profile)
	if checks.profile != nil && checks.profile.down {
		checks.before = &values{}
	}
	r := &Reader{in: in, opts: opts, checks: checks, doubts: newDoubts()}
	switch in.Shape().Format {
	case datafile.JSONLines, datafile.Parquet:
		r.rows = newObjectLines(in, opts, checks)
	case datafile.Baskets:
		if opts.BasketIDs != "first" {
			lineage, err := lineageOf(in, opts)
			if err != nil {
				_ = in.Close() // nothing was written
				return nil, err
			}
			r.lineage = &lineage
		}
		r.rows = newBaskets(in, r.lineage, checks)
	default:
		r.rows = &tableLines{rows: in, checks: checks, inert: IsRejects(in.Shape().Columns)}
	}
	return r, nil
}

// Read returns the next row: a line; or a zero line and a reject; or, for a row that does not count as bought, a line
// that takes something back and a reject that says why. The error is io.EOF at the end of the source, a FileError if
// the rest of the source cannot be read, or the source's own error; all later calls return the same error.
func (r *Reader) Read() (Line, *Reject, error) {
	r.line = Line{}
	reject, err := r.rows.next(&r.line)
	if reject == nil && err == nil && r.doubts.lines < mostDoubted {
		r.doubts.take(&r.line)
	}
	return r.line, reject, err
}

// Mapping returns how the source was understood.
func (r *Reader) Mapping() Mapping {
	found := r.in.Found()
	m := Mapping{
		Shape: r.in.Shape(), TimeFormat: r.opts.TimeFormat, Order: found[orderRole], Item: found[itemRole],
		Quantity: found[quantityRole], Time: found[timeRole], Customer: found[customerRole],
		Status:   joined(found[statusRole], found[lineStatusRole], found[cancelledRole]),
		Returned: joined(found[returnedRole], found[keptRole]), UnknownStatuses: r.checks.fates.unknown,
		Zone: found[zoneRole], Code: found[codeRole], Notes: slices.Concat(r.notes, r.doubts.say(found, r.in.Shape().Columns)),
	}
	if r.checks.profile != nil {
		m.Profile = r.checks.profile.name
	}
	for _, role := range r.checks.without {
		*[roles]*string{quantityRole: &m.Quantity, timeRole: &m.Time}[role] = ""
	}
	switch {
	case m.Format != datafile.Baskets:
	case r.opts.BasketIDs == "first":
		m.Order, m.Item = "first field", "every other field"
	default:
		m.Order, m.Item, m.Lineage = "file and line number", "every field", r.lineage
	}
	return m
}

// Close stops reading before the end of the source. It is not needed after Read has returned io.EOF.
func (r *Reader) Close() error { return r.in.Close() }

// Bytes returns the number of bytes of the source read so far, before decompression.
func (r *Reader) Bytes() int64 { return r.in.Bytes() }

// SHA256 returns the hash of the source as stored, before decompression. It covers the whole source once Read has
// returned io.EOF.
func (r *Reader) SHA256() []byte { return r.in.SHA256() }

// tableLines turns the rows of a table into order lines.
type tableLines struct {
	rows   *datafile.Reader
	checks *checks
	inert  bool // texts were written by Inert
	v      values
}

func (t *tableLines) next(l *Line) (*Reject, error) {
	row, reject, err := t.rows.Read()
	if reject != nil || err != nil {
		return whole(reject), err
	}
	t.rows.Values(row, t.v[:])
	if t.inert {
		for i := range t.v {
			t.v[i] = spelling.Clean(mended(t.v[i]))
		}
	}
	return t.checks.line(row, &t.v, l), nil
}

// joined joins the columns that exist.
func joined(columns ...string) string {
	return strings.Join(slices.DeleteFunc(columns, func(c string) bool { return c == "" }), ", ")
}
