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
			checkout addshippinginfo addpaymentinfo viewpromotion selectpromotion noshow payout cashdrawer opening closing quotation`,
		"": `paid partiallypaid partiallyrefunded partialrefund authorized captured settled complete completed completedorder
			processing processed pending pendingpayment onhold open closed new placed confirmed approved accepted invoiced
			payment sale sold transaction order purchase purchased charge shipped partiallyshipped unshipped awaitingfulfillment
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
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(status))
}

// fates decides which rows count as bought.
type fates struct {
	count, skip []string // statuses that the options decide, plain

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

// of returns why rows of a status are not bought, "" when they are.
func (f *fates) of(status []byte) datafile.Reason {
	if len(status) == 0 {
		return ""
	}
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
	}
	reason, known = statuses[plain]
	return reason, known
}

// judge returns why a row is not bought, "" when it is.
func (f *fates) judge(v *values) (reason datafile.Reason, detail string) {
	for _, role := range []role{statusRole, lineStatusRole} {
		if reason := f.of(v[role]); reason != "" {
			return reason, role.String() + " " + datafile.Excerpt(v[role])
		}
	}
	if len(v[cancelledRole]) > 0 {
		return Cancelled, "cancelled at " + datafile.Excerpt(v[cancelledRole])
	}
	return "", ""
}
