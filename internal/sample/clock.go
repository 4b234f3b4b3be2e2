package sample

import "time"

// clock spreads the orders over three years: busy from spring to autumn, nearly idle at weekends.
type clock struct {
	rnd    source
	orders int64
	days   wheel
	day    int
	start  time.Time // opening time of that day
	of     int64     // number of orders on that day
	made   int64     // orders generated so far that day
}

const openSeconds = 11 * 60 * 60

var (
	firstDay = time.Date(2023, time.January, 1, 7, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2025, time.December, 31, 7, 0, 0, 0, time.UTC)

	weekdayWeight = [...]int64{
		time.Sunday: 3, time.Monday: 18, time.Tuesday: 20, time.Wednesday: 20,
		time.Thursday: 19, time.Friday: 16, time.Saturday: 4,
	}
	monthWeight = [...]int64{
		time.January: 70, time.February: 72, time.March: 88, time.April: 100, time.May: 110,
		time.June: 115, time.July: 112, time.August: 112, time.September: 108, time.October: 104,
		time.November: 86, time.December: 64,
	}
)

func newClock(orders int64, rnd source) *clock {
	c := &clock{rnd: rnd, orders: orders, day: -1}
	var total int64
	for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 1) {
		total += weekdayWeight[day.Weekday()] * monthWeight[day.Month()]
		c.days = append(c.days, total)
	}
	return c
}

// next returns the time of the next order; times never decrease.
func (c *clock) next() time.Time {
	for c.made == c.of {
		c.day++
		c.start = firstDay.AddDate(0, 0, c.day)
		c.of = c.before(c.day+1) - c.before(c.day)
		c.made = 0
	}
	// Each order has an equal slice of the day and a random time within it.
	second := (c.made*openSeconds + c.rnd.below(openSeconds)) / c.of
	c.made++
	return c.start.Add(time.Duration(second) * time.Second)
}

// before returns the number of orders before a day. Differences of it distribute all orders without rounding
// errors.
func (c *clock) before(day int) int64 {
	if day == 0 {
		return 0
	}
	return c.orders * c.days[day-1] / c.days[len(c.days)-1]
}

// customers is a skewed distribution: a few customers order often, many rarely.
type customers struct {
	ranks wheel
	step  int64
}

func newCustomers(n int64) customers {
	return customers{ranks: newZipfWheel(int(n), 8), step: stride(n)}
}

// draw returns a customer number, from 1. Numbers do not reveal the rank.
func (c customers) draw(rnd source) int64 {
	return int64(c.ranks.spin(rnd))*c.step%int64(len(c.ranks)) + 1
}
