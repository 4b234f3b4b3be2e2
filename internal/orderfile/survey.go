package orderfile

import (
	"bytes"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/internal/datafile"
)

// survey learns from the values of a source, before its rows are read, which number of a date is the month, whether
// commas are decimal separators, and which automatically detected columns hold something else.
type survey struct {
	times, badTimes, unsureTimes int64 // unsureTimes can be read with day or month first
	order                        dateOrder
	quantities, badQuantities    int64
	commas                       commas
	badTime, unsure, badQuantity string // examples
}

// sampledRows is the number of leading rows to survey. If they leave the order of dates open, all rows are surveyed.
const sampledRows = 2000

// take surveys the values of one row.
func (s *survey) take(c *checks, v *values) {
	if at := v[timeRole]; len(at) > 0 && !isNull(at) {
		s.times++
		_, seen, ok := c.times.look(at, nil)
		s.order.dayFirst = s.order.dayFirst || seen.dayFirst
		s.order.monthFirst = s.order.monthFirst || seen.monthFirst
		switch {
		case !ok:
			s.badTimes++
			s.badTime = example(s.badTime, at)
		case seen.unsure:
			s.order.unsure = true
			s.unsureTimes++
			s.unsure = example(s.unsure, at)
		}
	}
	if quantity := v[quantityRole]; len(quantity) > 0 {
		s.quantities++
		s.commas.take(quantity)
		if _, _, problem := parseNumber(quantity, decimalComma); problem != "" {
			if _, _, problem := parseNumber(quantity, decimalPoint); problem != "" {
				s.badQuantities++
				s.badQuantity = example(s.badQuantity, quantity)
			}
		}
	}
}

func example(first string, b []byte) string {
	if first != "" {
		return first
	}
	return datafile.Excerpt(b)
}

// open reports whether later rows could settle what the first ones left open.
func (s *survey) open() bool { return s.order.unsure && !s.order.dayFirst && !s.order.monthFirst }

// conclude passes the findings to the checks and returns notes, one line each. The error concerns a column that the
// options ask for.
func (s *survey) conclude(c *checks, opts Options) (notes []string, err error) {
	c.times.order, c.times.settled = s.order, true
	switch {
	case opts.TimeFormat != "" || s.times == 0:
	case 2*s.badTimes > s.times && opts.TimeColumn == "":
		c.without = append(c.without, timeRole)
		notes = append(notes, fmt.Sprintf("times are left out, most cannot be read, like %s: say how they are written with --time-format",
			s.badTime))
	case s.order.unsure && !s.order.dayFirst && !s.order.monthFirst && c.profile != nil && (c.profile.monthFirst || c.profile.dayFirst):
		c.times.order = dateOrder{dayFirst: c.profile.dayFirst, monthFirst: c.profile.monthFirst}
	case 2*s.unsureTimes > s.times && !s.order.decided():
		const advice = "nothing tells day from month in dates like %s: say --time-format %%d/%%m/%%Y or %%m/%%d/%%Y, with what follows"
		if opts.TimeColumn != "" {
			return nil, &datafile.FileError{Name: opts.Name, Problem: opts.Name + ": " + fmt.Sprintf(advice, s.unsure)}
		}
		c.without = append(c.without, timeRole)
		notes = append(notes, fmt.Sprintf("times are left out, "+advice, s.unsure))
	}
	c.decimal = s.commas.decimal(opts.Decimal)
	if s.quantities > 0 && 2*s.badQuantities > s.quantities && opts.QuantityColumn == "" {
		c.without = append(c.without, quantityRole)
		notes = append(notes, fmt.Sprintf("quantities are left out, most cannot be read, like %s: name their column with --quantity-column",
			s.badQuantity))
	}
	return notes, nil
}

// look surveys the first rows without consuming them.
func (r *Reader) look() (s survey) {
	var v values
	r.in.Sample(sampledRows, func(row *datafile.Row) bool {
		if v = (values{}); r.sampleRow(row, &v) {
			s.take(r.checks, &v)
		}
		return true
	})
	return s
}

// sampleRow puts the row's values of the order into v.
func (r *Reader) sampleRow(row *datafile.Row, v *values) bool {
	switch rows := r.rows.(type) {
	case *tableLines:
		r.in.Values(row, v[:])
	case *objectLines:
		object, reject := row.Object()
		if reject != nil {
			return false
		}
		return rows.read(object, v) == nil
	default:
		return false
	}
	return true
}

// lookAtAll surveys rows until they settle what the first ones left open, then seeks back to the beginning.
func (r *Reader) lookAtAll(src io.Seeker, s *survey) error {
	for s.open() {
		row, reject, err := r.in.Read()
		if err != nil {
			break // reading the rows will report the error
		}
		var v values
		if reject == nil && r.sampleRow(row, &v) {
			s.take(r.checks, &v)
		}
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("go back to the beginning: %w", err)
	}
	return nil
}

// commas records what commas and points in quantities must mean.
type commas struct{ decimalComma, decimalPoint bool }

// decimal is the decimal separator of quantities.
type decimal byte

const (
	decimalUnknown decimal = 0 // nothing settled yet: decide for each number
	decimalMixed   decimal = 1 // both occur: a number with a comma may use either
	decimalPoint   decimal = '.'
	decimalComma   decimal = ','
)

// take looks at one number. A comma followed by three digits may be a thousands separator.
func (c *commas) take(b []byte) {
	comma, point := bytes.LastIndexByte(b, ','), bytes.LastIndexByte(b, '.')
	switch {
	case comma < 0:
	case point > comma:
		c.decimalPoint = true
	case point >= 0 || leadingDigits(b[comma+1:]) != 3 || comma > 3 && isDigit(b[comma-4]) && bytes.IndexByte(b, ',') == comma,
		comma == 1 && b[0] == '0':
		c.decimalComma = true
	}
}

func (c *commas) decimal(asked string) decimal {
	switch {
	case asked != "":
		return decimal(asked[0])
	case c.decimalComma && c.decimalPoint:
		return decimalMixed
	case c.decimalComma:
		return decimalComma
	case c.decimalPoint:
		return decimalPoint
	}
	return decimalUnknown
}
