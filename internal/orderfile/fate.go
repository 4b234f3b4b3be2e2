package orderfile

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/alsobought/alsobought/internal/datafile"
)

// Reasons why a row does not count as bought.
const (
	Cancelled datafile.Reason = "cancelled" // its order, or the line itself, was cancelled, voided or never paid
	Refunded  datafile.Reason = "refunded"  // all of it was refunded or returned
	Skipped   datafile.Reason = "skipped"   // its status is listed in Options.SkipStatus
	Negative  datafile.Reason = "negative"  // its quantity is below 0
	NoSale    datafile.Reason = "no_sale"   // it is an event other than a sale, such as a product view
)

// NotBought lists the reasons why a row does not count as bought.
func NotBought() []datafile.Reason {
	return []datafile.Reason{Cancelled, Refunded, Skipped, Negative, NoSale}
}

// statuses maps the words that exports use, in lower case and without accents, spaces, '_' and '-', to their meaning;
// "" is bought.
var statuses = readStatuses()

func readStatuses() map[string]datafile.Reason {
	meanings := map[string]datafile.Reason{}
	for reason, words := range map[datafile.Reason]string{
		Cancelled: `cancelled canceled cancel cancellation voided void failed declined abandoned trash deleted expired
			checkoutdraft draft annulled paymenterror storno storniert annulliert abgebrochen annule annulee erreurdepaiement
			cancelado cancelada anulado anulada errordepago annullato annullata geannuleerd anulowane anulowany anulowana`,
		Refunded: `refunded refund fullyrefunded returned return chargeback chargedback reversed reversal creditnote creditmemo
			erstattet retourniert rembourse remboursee reembolsado reembolsada devuelto devuelta rimborsato rimborsata
			terugbetaald zwrocone zwrocony`,
		NoSale: `view viewitem viewitemlist viewcart viewed detail click clicked impression pageview screenview sessionstart firstvisit
			userengagement scroll search selectitem addtocart addedtocart cart removefromcart addtowishlist wishlist begincheckout
			checkout addshippinginfo addpaymentinfo viewpromotion selectpromotion noshow payout cashdrawer opening closing quotation
			quotationsent quote`,
		"": `paid partiallypaid partiallyrefunded partialrefund authorized captured settled complete completed completedorder
			processing processed pending pendingpayment onhold open closed new placed confirmed approved accepted invoiced
			payment sale saleline sold transaction order invoice purchase purchased charge shipped partiallyshipped unshipped awaitingfulfillment
			awaitingshipment awaitingpayment awaitingpickup fulfilled unfulfilled partiallyfulfilled delivered received done
			success successful succeeded ok active archived posted salesorder paymentaccepted remotepaymentaccepted
			bezahlt abgeschlossen versendet geliefert livre livree expedie expediee paiementaccepte terminee entregado
			enviado pagado pagoaceptado consegnato spedito betaald verzonden afgerond`,
	} {
		for word := range strings.FieldsSeq(words) {
			meanings[word] = reason
		}
	}
	return meanings
}

// plainStatus normalises a status for comparison, without accents.
func plainStatus(status string) string {
	status = strings.TrimPrefix(strings.ToLower(status), "wc-") // WooCommerce stores statuses with this prefix
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-", r) || unicode.Is(unicode.Mn, r) { // annulé is annule
			return -1
		}
		return r
	}, norm.NFD.String(status))
}

// fates decides which rows count as bought.
type fates struct {
	count, skip []string // normalised statuses from the options
	events      bool     // statuses are types of events, not states of an order
	noSale      []string // normalised statuses that are no sale in this export

	known   map[string]datafile.Reason // decisions so far, by status as written
	unknown []string                   // the first few, as written
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

// know sets the column of the statuses and the export it belongs to.
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

// of returns why rows with a status are not bought, or "" if they are.
func (f *fates) of(status []byte) datafile.Reason {
	if reason, decided := f.known[string(status)]; decided {
		return reason
	}
	written := string(status)
	reason, known := f.decide(plainStatus(written))
	if !known && len(f.unknown) < mostUnknown {
		f.unknown = append(f.unknown, written[:min(len(written), maxInterned)])
	}
	if known || len(f.known) < 10*mostUnknown { // a column that holds something else has any number of values
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

// judge returns why a row is not bought, or "" if it is.
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

// isNever reports whether the value of a cancellation time or flag means "not cancelled".
func isNever(at []byte) bool {
	switch strings.ToLower(string(at)) {
	case "0", "false", "no", "n", "f", "-":
		return true
	}
	return isNull(at)
}

// isNull reports whether b is how databases and data frames write a missing time or number.
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
