package orderfile

import (
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// The reasons for which a row does not count as bought.
const (
	Cancelled datafile.Reason = "cancelled" // its order, or the line, was cancelled, voided or never paid
	Refunded  datafile.Reason = "refunded"  // all of it was refunded or returned
	Skipped   datafile.Reason = "skipped"   // it has a status of Options.SkipStatus
	Negative  datafile.Reason = "negative"  // its quantity is below 0
	NoSale    datafile.Reason = "no_sale"   // it is of another event than a sale: something was looked at, put into a cart ...
)

// NotBought lists the reasons for which a row does not count as bought.
func NotBought() []datafile.Reason {
	return []datafile.Reason{Cancelled, Refunded, Skipped, Negative, NoSale}
}

// statuses are the words that exports use, in small letters and without blanks, '_' and '-', and what they mean: "" is bought.
var statuses = readStatuses()

func readStatuses() map[string]datafile.Reason {
	meanings := map[string]datafile.Reason{}
	for reason, words := range map[datafile.Reason]string{
		Cancelled: `cancelled canceled cancel cancellation voided void failed declined abandoned trash deleted expired
			checkoutdraft draft annulled storno storniert annulliert annule annulee cancelado cancelada geannuleerd`,
		Refunded: `refunded refund fullyrefunded returned return chargeback chargedback reversed reversal creditnote creditmemo
			erstattet retourniert rembourse remboursee reembolsado terugbetaald`,
		NoSale: `view viewitem viewitemlist viewcart viewed detail click clicked impression pageview screenview sessionstart firstvisit
			userengagement scroll search selectitem addtocart addedtocart cart removefromcart addtowishlist wishlist begincheckout
			checkout addshippinginfo addpaymentinfo viewpromotion selectpromotion noshow payout cashdrawer opening closing quotation
			quotationsent quote`,
		"": `paid partiallypaid partiallyrefunded partialrefund authorized captured settled complete completed completedorder
			processing processed pending pendingpayment onhold open closed new placed confirmed approved accepted invoiced
			payment sale saleline sold transaction order invoice purchase purchased charge shipped partiallyshipped unshipped awaitingfulfillment
			awaitingshipment awaitingpayment awaitingpickup fulfilled unfulfilled partiallyfulfilled delivered received done
			success successful succeeded ok active archived posted salesorder bezahlt abgeschlossen versendet`,
	} {
		for word := range strings.FieldsSeq(words) {
			meanings[word] = reason
		}
	}
	return meanings
}

// plainStatus is what is left of a status when it is compared.
func plainStatus(status string) string {
	status = strings.TrimPrefix(strings.ToLower(status), "wc-") // as WooCommerce stores them
	return strings.NewReplacer(" ", "", "_", "", "-", "").Replace(status)
}

// fates decides which rows count as bought.
type fates struct {
	count, skip []string // statuses that the options decide, plain
	events      bool     // the statuses are types of events, not what has become of an order
	noSale      []string // those that are no sale in the export that is read, plain

	known   map[string]datafile.Reason // what was decided of statuses, as written
	unknown []string                   // as written, the first few
}

const mostUnknown = 10

func newFates(opts Options) *fates {
	f := &fates{known: map[string]datafile.Reason{}}
	for _, s := range opts.CountStatus {
		f.count = append(f.count, plainStatus(s))
	}
	for _, s := range opts.SkipStatus {
		f.skip = append(f.skip, plainStatus(s))
	}
	return f
}

// know takes in which column the statuses are in, and of which export.
func (f *fates) know(column string, p *profile) {
	column = strings.ToLower(column)
	f.events = strings.Contains(column, "event") || strings.Contains(column, "type")
	if p == nil {
		return
	}
	for word := range strings.SplitSeq(p.noSale, ", ") {
		f.noSale = append(f.noSale, plainStatus(word))
	}
}

// of returns why rows of a status are not bought, "" when they are.
func (f *fates) of(status []byte) datafile.Reason {
	if reason, decided := f.known[string(status)]; decided {
		return reason
	}
	written := string(status)
	reason, known := f.decide(plainStatus(written))
	if !known && len(f.unknown) < mostUnknown {
		f.unknown = append(f.unknown, written[:min(len(written), maxInterned)])
	}
	if known || len(f.known) < 10*mostUnknown { // a column of something else has any number of values
		f.known[written] = reason
	}
	return reason
}

func (f *fates) decide(plain string) (reason datafile.Reason, known bool) {
	switch {
	case slices.Contains(f.count, plain):
		return "", true
	case slices.Contains(f.skip, plain):
		return Skipped, true
	case slices.Contains(f.noSale, plain):
		return NoSale, true
	}
	reason, known = statuses[plain]
	return reason, known
}

// judge returns why a row is not bought, "" when it is.
func (f *fates) judge(v *values) (reason datafile.Reason, detail string) {
	for _, role := range [...]role{statusRole, lineStatusRole} {
		if len(v[role]) == 0 {
			continue
		}
		if reason := f.of(v[role]); reason != "" {
			return reason, role.String() + " " + datafile.Excerpt(v[role])
		}
	}
	if at := v[cancelledRole]; len(at) > 0 && !isNever(at) {
		return Cancelled, "cancelled at " + datafile.Excerpt(v[cancelledRole])
	}
	return "", ""
}

// isNever knows what stands for "not cancelled" where a time, or a yes, would stand.
func isNever(at []byte) bool {
	switch strings.ToLower(string(at)) {
	case "0", "false", "no", "n", "f", "-":
		return true
	}
	return isNull(at)
}

// isNull knows how databases and data frames write that a time or a number is not there.
func isNull(b []byte) bool {
	const longest = len("0000-00-00 00:00:00")
	if len(b) > longest {
		return false
	}
	switch string(b) {
	case "NULL", "null", "Null", `\N`, "None", "NaT", "NaN", "nan", "0000-00-00", "0000-00-00 00:00:00":
		return true
	}
	return false
}
