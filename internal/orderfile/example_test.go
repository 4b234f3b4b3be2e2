package orderfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alsobought/alsobought/internal/orderfile"
)

// Every row is a line or a reject.
func Example() {
	const file = `Invoice;Article;Qty
C-1;Espresso beans;2
C-1;Tamper, 58 mm;1
C-2;;1
`
	r, err := orderfile.Open(strings.NewReader(file), orderfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		line, reject, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			fmt.Println(err)
			return
		case reject != nil:
			fmt.Printf("line %d: %s, %q\n", reject.Number, reject.Reason, reject.Raw)
		default:
			fmt.Printf("line %d: %s, %s x %s\n", line.Number, line.Order, line.Quantity, line.Item)
		}
	}
	// Output:
	// line 2: C-1, 2 x Espresso beans
	// line 3: C-1, 1 x Tamper, 58 mm
	// line 4: missing_item, "C-2;;1"
}
