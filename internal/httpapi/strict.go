package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the maximum nesting of a body, three times what any route needs.
const maxDepth = 12

// strict finds what encoding/json ignores in a body: duplicate names, invalid UTF-8, and excessive nesting. It ignores
// invalid JSON, which huma reports.
func strict(body []byte) *huma.ErrorModel {
	if openers := bytes.Count(body, []byte("[")) + bytes.Count(body, []byte("{")); openers <= maxDepth && jsontext.Value(body).IsValid() {
		return nil // nearly all bodies: no need to scan tokens
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		_, err := decoder.ReadToken()
		if decoder.StackDepth() > maxDepth {
			return newProblem(http.StatusBadRequest, fmt.Sprintf("the body is nested more than %d deep", maxDepth))
		}
		if err == nil {
			continue
		}
		message := "is not valid UTF-8"
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = "given more than once"
		}
		wrong := new(jsontext.SyntacticError)
		if !errors.As(err, &wrong) || !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return nil
		}
		p := newProblem(http.StatusUnprocessableEntity, "")
		p.Errors = []*huma.ErrorDetail{{Location: location(wrong.JSONPointer), Message: message}}
		return p
	}
}

// location converts a JSON pointer to a location as huma writes it. It truncates what is longer than a name needs.
func location(pointer jsontext.Pointer) string {
	const most = 100
	var b strings.Builder
	b.WriteString("body")
	for token := range pointer.Tokens() {
		switch {
		case b.Len() > most:
			return b.String() + "..."
		case strings.Trim(token, "0123456789") == "" && token != "":
			b.WriteString("[" + token + "]")
		default:
			b.WriteString("." + token[:min(len(token), most)])
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}
