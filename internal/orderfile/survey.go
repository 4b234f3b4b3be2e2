package orderfile

import (
	"bytes"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// survey is what the values of a source tell of each other, before its rows are read: which number of a date is the month,
// whether commas are decimal, and which columns, found by themselves, hold something else.
type survey struct {
	times, badTimes, unsureTimes int64 // of the last nothing tells the day from the month
	order                        dateOrder
	quantities, badQuantities    int64
	commas                       commas
	badTime, unsure, badQuantity string // examples
}

// sampled is how many of the first rows are surveyed. Where they leave open what dates mean, all are.
const sampledRows = 2000

// take looks at the values of one row.
func (s *survey) take(c *checks, v *values) {
	for i := range v {
		v[i] = spelling.Clean(v[i])
	}
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

// open reports whether later rows may tell what the first ones left open.
func (s *survey) open() bool { return s.order.unsure && !s.order.dayFirst && !s.order.monthFirst }

// conclude tells the checks what was found, and says what it has to say about it, one line each. The error is of a column that was
// asked for.
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

// look surveys the first rows, without reading them.
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

// sampleRow puts what a row says of its order into v.
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

// lookAtAll surveys all rows, to where they tell what the first ones left open, and goes back to the beginning.
func (r *Reader) lookAtAll(src io.Seeker, s *survey) error {
	for s.open() {
		row, reject, err := r.in.Read()
		if err != nil {
			break // what is wrong is said when the rows are read
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

// commas are what commas and points in quantities tell.
type commas struct{ decimalComma, decimalPoint bool }

// decimal is the sign between whole and fraction.
type decimal byte

const (
	decimalUnknown decimal = 0 // nothing told yet: each number may tell by itself
	decimalMixed   decimal = 1 // some say a comma and some a point: one that has a comma may be either
	decimalPoint   decimal = '.'
	decimalComma   decimal = ','
)

// take looks at one number. A comma with three digits behind it may mean thousands, if there are any.
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
