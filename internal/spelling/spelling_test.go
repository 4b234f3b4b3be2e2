package spelling_test

import (
	"testing"

	"github.com/alsobought/alsobought/internal/spelling"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "tea": "tea", " \ttea\r\n": "tea", "a  b": "a  b", "\x01": "\x01", "\u200b": "", " \u00a0\ufeff": "",
		"\ufefftea\u00a0\u200b": "tea", "a\u200bb": "a\u200bb", "cafe\u0301": "caf\u00e9", "caf\u00e9 ": "caf\u00e9",
		"\uff21": "\uff21", "\u2122": "\u2122", "\u0301a": "\u0301a", "\u00c5\u212b": "\u00c5\u00c5",
	} {
		if got := spelling.CleanString(text); got != want {
			t.Errorf("%+q is %+q, want %+q", text, got, want)
		}
	}
	if spelling.Clean(nil) != nil || spelling.Clean([]byte(" ")) == nil {
		t.Error("an empty text is not one that is missing")
	}
}
