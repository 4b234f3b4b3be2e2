package datafile

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// candidate is a possible encoding of a text.
type candidate struct {
	name   string
	script *unicode.RangeTable // script of its letters
	common string              // non-ASCII letters frequent in its languages; "" for the whole script
}

// candidates are the encodings that advice may name, most frequent first.
var candidates = []candidate{
	{"windows-1252", unicode.Latin, "éèàçüöäßñóíáúêîôâûëïæøåãõœùòì"},
	{"windows-1250", unicode.Latin, "áéíóúýčďěňřšťůžąćęłńśźżäöüßőűăâîşţ"},
	{"windows-1251", unicode.Cyrillic, "оеаинтрсвлкмдпуяыьгзб"},
	{"windows-1254", unicode.Latin, "ğışİçöüâî"},
	{"windows-1253", unicode.Greek, "αοιετσνηυρπκμλςά"},
	{"cp850", unicode.Latin, "éèàçüöäßñóíáúêîôâëïæøåãõùòì"},
	{"koi8-r", unicode.Cyrillic, "оеаинтрсвлкмдпуяыьгзб"},
	{"cp866", unicode.Cyrillic, "оеаинтрсвлкмдпуяыьгзб"},
	{"shift-jis", unicode.Han, ""},
	{"euc-kr", unicode.Hangul, ""},
	{"gbk", unicode.Han, ""},
	{"big5", unicode.Han, ""},
}

// encodingAdvice lists the likely encodings of a text that is not UTF-8, each with a sample of the text decoded from
// it, so that the user can recognise the right one.
func encodingAdvice(text []byte) string {
	type reading struct {
		name, sample string
		score        float64
	}
	var readings []reading
	for _, c := range candidates {
		_, table, _ := encodingNamed(c.name)
		if score := c.score(text, table); score >= 0.5 {
			readings = append(readings, reading{c.name, firstName(text, table), score})
		}
	}
	slices.SortStableFunc(readings, func(a, b reading) int { return cmp.Compare(b.score, a.score) })
	var said []string
	seen := map[string]bool{}
	for _, r := range readings {
		if len(said) < 3 && r.score > 0.8*readings[0].score && !seen[r.sample] {
			seen[r.sample] = true
			said = append(said, fmt.Sprintf("--encoding %s, which reads %q", r.name, r.sample))
		}
	}
	if len(said) == 0 {
		return "say which encoding it is in with --encoding, or convert it to UTF-8"
	}
	return "say " + strings.Join(said, ", or ") + ", or convert it to UTF-8"
}

// score rates how much the text decoded from the encoding looks like words: the share of non-ASCII words that are
// plausible, 0 to 1, weighted by the share of their letters that are common.
func (c candidate) score(text []byte, table encoding.Encoding) float64 {
	words, fit, letters, common := 0, 0, 0, 0
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if invalidUTF8(line) < 0 { // pure ASCII or valid UTF-8 is no evidence
			continue
		}
		decoded, err := table.NewDecoder().Bytes(line)
		if err != nil {
			return 0
		}
		for word := range bytes.FieldsFuncSeq(decoded, func(r rune) bool { return r < utf8.RuneSelf && !unicode.IsLetter(r) }) {
			word = bytes.TrimFunc(word, isMark)
			if isASCIIText(word) {
				continue
			}
			words++
			if c.isWord(string(word)) {
				fit++
			}
			for _, r := range string(word) {
				if r >= utf8.RuneSelf {
					letters++
					if c.isCommon(r, table) {
						common++
					}
				}
			}
		}
	}
	if words == 0 {
		return 0
	}
	return float64(fit) / float64(words) * (1 + float64(common)/float64(letters)) / 2
}

// isWord reports whether the word uses a single script, with capitals only at its start or throughout.
func (c candidate) isWord(word string) bool {
	beyond, all, upperLater, lower := 0, 0, false, false
	for i, r := range word {
		switch {
		case r == utf8.RuneError || !unicode.IsLetter(r):
			return false
		case r < utf8.RuneSelf:
			if c.script != unicode.Latin {
				return false
			}
		case unicode.In(r, c.script), c.script == unicode.Han && unicode.In(r, unicode.Hiragana, unicode.Katakana) && r < 0xff00,
			c.script == unicode.Han && r == 'ー':
			beyond++
		default:
			return false
		}
		all++
		upperLater = upperLater || i > 0 && unicode.IsUpper(r)
		lower = lower || unicode.IsLower(r)
	}
	return !(upperLater && lower) && (c.script != unicode.Latin || 2*beyond <= all+1)
}

// isCommon reports whether a letter is common. Common Han characters are those in the first part of the encoding's
// table.
func (c candidate) isCommon(r rune, table encoding.Encoding) bool {
	if c.common != "" {
		return strings.ContainsRune(c.common, unicode.ToLower(r)) || strings.ContainsRune(c.common, r)
	}
	code, err := table.NewEncoder().String(string(r))
	if err != nil || len(code) != 2 {
		return false
	}
	switch lead, trail := code[0], code[1]; c.name {
	case "shift-jis":
		return unicode.In(r, unicode.Hiragana, unicode.Katakana) || r == 'ー' || 0x88 <= lead && lead <= 0x97
	case "gbk":
		return 0xb0 <= lead && lead <= 0xd7 && trail >= 0xa1
	case "big5":
		return 0xa4 <= lead && lead <= 0xc6
	}
	return unicode.Is(unicode.Hangul, r)
}

// firstName returns the first non-ASCII field of the text, decoded from the encoding.
func firstName(text []byte, table encoding.Encoding) string {
	const most = 30 // characters
	line := text[:invalidUTF8(text)]
	begin := bytes.LastIndexByte(line, '\n') + 1
	line = text[begin:]
	if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	decoded, _ := table.NewDecoder().Bytes(line)
	for field := range bytes.FieldsFuncSeq(decoded, func(r rune) bool { return strings.ContainsRune(",;\t|\"", r) }) {
		if !isASCIIText(field) {
			runes := []rune(strings.TrimSpace(string(field)))
			return string(runes[:min(len(runes), most)])
		}
	}
	return ""
}

// isMark reports whether r is punctuation that may adjoin a word.
func isMark(r rune) bool {
	return strings.ContainsRune("®™°€£²³½¼¾«»“”„‘’–—…¡¿·ªº×", r)
}

func isASCIIText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}
