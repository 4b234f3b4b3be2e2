package datafile

import "fmt"

// Words say what kind of file it is.
func (s Shape) Words() []string {
	words := []string{string(s.Format)}
	if s.Compression != "" {
		words = append(words, s.Compression)
	}
	if s.Sheet != "" {
		words = append(words, "sheet "+s.Sheet)
	}
	words = append(words, s.Encoding)
	if name := map[string]string{",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blanks"}[s.Delimiter]; name != "" {
		words = append(words, "separated by "+name)
	}
	switch {
	case s.Header && s.Above > 0:
		words = append(words, fmt.Sprintf("with a header on line %d", s.Above+1))
	case s.Header:
		words = append(words, "with a header")
	case s.Format != JSONLines && s.Format != Baskets && s.Format != Parquet:
		words = append(words, "without a header")
	}
	return words
}
