package orderfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// objectLines reads the orders of JSON lines. A null counts as a missing key, unknown keys are ignored, and a list of
// items takes precedence over an item.
type objectLines struct {
	rows   *datafile.Reader
	checks *checks
	kind   datafile.Kind
	ofItem datafile.Glossary // keys within a list of items, where "name" is enough

	row    *datafile.Row
	head   values // values that the order gives for all its items
	items  []any  // items still to read
	list   any    // list of items of the object read last
	undone bool   // the order as a whole does not count as bought
}

func newObjectLines(rows *datafile.Reader, opts Options, c *checks) *objectLines {
	kind := opts.kind()
	entry := entryKind(opts, c.profile)
	return &objectLines{rows: rows, checks: c, kind: kind, ofItem: datafile.NewGlossary(entry)}
}

func (o *objectLines) next(l *Line) (*Reject, error) {
	if len(o.items) == 0 {
		row, reject, err := o.rows.Read()
		if reject != nil || err != nil {
			return whole(reject), err
		}
		o.row = row
		if reject := o.open(); reject != nil {
			return reject, nil
		}
	}
	v := o.head
	if len(o.items) > 0 {
		item := o.items[0]
		o.items = o.items[1:]
		if err := o.item(item, &v); err != nil {
			return o.reject("%v", err), nil
		}
	}
	if reject := o.row.Unfit(v[:], o.kind.Roles); reject != nil {
		return whole(reject), nil
	}
	reject := o.checks.line(o.row, &v, l)
	if o.undone {
		l.Item = "" // even if other values of the order are known
	}
	return reject, nil
}

// open reads the object on a line. A reject, if any, applies to the line as a whole.
func (o *objectLines) open() *Reject {
	object, reject := o.row.Object()
	if reject != nil {
		return whole(reject)
	}
	o.head = values{}
	if err := o.read(object, &o.head); err != nil {
		return o.reject("%v", err)
	}
	list := o.list
	reason, _ := o.checks.fates.judge(&o.head)
	o.undone = reason != "" && list != nil && !o.checks.fates.events // an event names the items it concerns
	if list == nil {
		return nil
	}
	items, isList := list.([]any)
	if !isList && o.head[itemRole] == nil {
		return o.reject("the items are not a list")
	}
	if !isList {
		return nil
	}
	o.head[itemRole], o.head[quantityRole] = nil, nil
	if reject := o.row.Unfit(o.head[:], o.kind.Roles); reject != nil {
		return whole(reject)
	}
	if reject := o.checks.common(o.row, o.head); reject != nil {
		return reject
	}
	o.items = items
	return nil
}

// read puts the order's values from an object into v, and its list of items, if any, into list.
func (o *objectLines) read(object map[string]any, v *values) error {
	object = datafile.Flatten(object)
	o.list = nil
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := object[key]
		if o.kind.IsList(key) && value != nil {
			o.list = value
			continue
		}
		if value == nil {
			continue
		}
		i, plays := o.rows.Role(key)
		if !plays {
			continue
		}
		if v[i] != nil {
			return fmt.Errorf("two keys for the %s, one of them %s", role(i), datafile.Excerpt([]byte(key)))
		}
		var err error
		if v[i], err = datafile.Scalar(value); err != nil {
			return fmt.Errorf("%s %w", role(i), err)
		}
	}
	return nil
}

// lineRoles are the roles that keys within a list of items may play.
var lineRoles = []role{itemRole, quantityRole, lineStatusRole, returnedRole, keptRole}

// item reads one entry, a name or an object, of a list of items.
func (o *objectLines) item(entry any, v *values) (err error) {
	object, isObject := entry.(map[string]any)
	if !isObject {
		v[itemRole], err = datafile.Scalar(entry)
		return err
	}
	object = datafile.Flatten(object)
	var rank [roles]int
	for _, key := range slices.Sorted(maps.Keys(object)) {
		i, r, known := o.ofItem.Meaning(key)
		if _, inner, found := strings.Cut(key, "."); found && !known && wraps(key) {
			i, r, known = o.ofItem.Meaning(inner)
		}
		plays := role(i)
		if !known || !slices.Contains(lineRoles, plays) || v[plays] != nil && r >= rank[plays] {
			continue
		}
		rank[plays] = r
		if v[plays], err = datafile.Scalar(object[key]); err != nil {
			return fmt.Errorf("%s %w", plays, err)
		}
	}
	return nil
}

// wraps reports whether the path leads to an object that an entry of a list nests its item's values in.
func wraps(path string) bool {
	outer, _, _ := strings.Cut(path, ".")
	return slices.Contains([]string{"node", "item", "product"}, outer)
}

func (o *objectLines) reject(detail string, args ...any) *Reject {
	return whole(o.row.Reject(datafile.BadJSON, detail, args...))
}

// entryKind returns the kind whose keys play a role within a list of items.
func entryKind(opts Options, p *profile) datafile.Kind {
	kind := opts.kind()
	kind.Recognise = nil
	kind.Roles[itemRole].Aliases = append([]string{"name"}, kind.Roles[itemRole].Aliases...)
	for i := range kind.Roles {
		r := &kind.Roles[i]
		if !slices.Contains(lineRoles, role(i)) {
			r.Column = datafile.NoColumn // its key may mean something else here
		}
		if p != nil && role(i) == itemRole && strings.EqualFold(r.Column, "sku") {
			_, r.Column, _ = strings.Cut(p.sku, "[].")
		}
		if _, inner, found := strings.Cut(r.Column, "[]."); found {
			r.Column = inner
		}
		if p == nil || r.Column != "" {
			continue
		}
		var named []string
		for choice := range strings.SplitSeq(p.column(role(i)), " | ") {
			if _, inner, found := strings.Cut(choice, "[]."); found {
				named = append(named, inner)
			}
		}
		r.Aliases = append(named, r.Aliases...)
	}
	return kind
}
