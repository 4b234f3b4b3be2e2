package main

import (
	"bytes"
	"encoding/json"

	"github.com/alsobought/alsobought/internal/httpapi"
)

type openapiCommand struct{}

// Run indents the document, so that versions of it can be compared.
func (openapiCommand) Run(term *terminal) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, httpapi.Document(version), "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err := indented.WriteTo(term.stdout)
	return err
}
