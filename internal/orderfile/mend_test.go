package orderfile

import "testing"

func TestInert(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "tea": "tea", "'": "'", "'tea'": "'tea'", "=1+1": "'=1+1", "-1": "'-1", "+1": "'+1", "@x": "'@x", "\tx": "'\tx",
		"'=1": "''=1", "''-": "'''-", "a=1": "a=1",
	} {
		got := Inert(text)
		if got != want || string(mended([]byte(got))) != text {
			t.Errorf("%q is %q, want %q, and back %q", text, got, want, mended([]byte(got)))
		}
	}
}
