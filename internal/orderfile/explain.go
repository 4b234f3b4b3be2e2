package orderfile

import (
	"slices"

	"github.com/alsobought/alsobought/internal/datafile"
)

// explanations say to people who never saw the file why rows are refused, or do not count as bought.
var explanations = map[datafile.Reason]string{
	datafile.BadQuote:       "Quotation marks do not match: text follows a closing one.",
	datafile.NULByte:        "The row holds a zero byte, as damaged or binary files do.",
	datafile.NotUTF8:        "The row holds characters that are not text in the encoding of the file.",
	datafile.BadJSON:        "The row is not a JSON object of the expected shape.",
	datafile.RepeatedHeader: "The names of the columns once more, as in files that were put together.",
	datafile.WrongColumns:   "The row has more or fewer columns than the header.",
	MissingOrder:            "The order number is empty.",
	DamagedOrder:            "A spreadsheet made a number of the order number and cut it, as in 1.23E+12.",
	MissingItem:             "The item name is empty.",
	TooLong:                 "An order number, item name or customer is longer than 2,000 bytes.",
	BadQuantity:             "The quantity is not a number above 0.",
	BadTime:                 "The time of the order cannot be read as a date.",

	Cancelled: "The order, or this line of it, was cancelled, voided or never paid.",
	Refunded:  "All of it was refunded or returned.",
	Skipped:   "It has a status that was asked to be left out.",
	NoSale:    "It tells of something else than a sale: something was looked at, put into a cart ...",
	Negative:  "The quantity is below 0, as of returns and corrections.",
}

// Explanation says in a sentence why a row is refused, or does not count as bought; "" for a reason that there is not.
func Explanation(reason datafile.Reason) string { return explanations[reason] }

// Placeholders are what programs write, in small letters, where they have nothing to say, and what sums are called.
func Placeholders() []string { return slices.Clone(placeholders) }

// AllNotes are those of the mapping, and statuses that nobody knows.
func (m Mapping) AllNotes() []string {
	if len(m.UnknownStatuses) == 0 {
		return m.Notes
	}
	return append(slices.Clone(m.Notes), "unknown statuses count as bought: "+joined(m.UnknownStatuses...)+
		"; --skip-status leaves them out")
}
