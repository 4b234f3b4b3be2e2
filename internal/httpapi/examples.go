package httpapi

// Examples of the document, of the sample orders.
const (
	popularExample = `{"recommendations":[]}`
	similarExample = `{"recommendations":[]}`
	basketExample  = `{"recommendations":[]}`
	orderExample   = `{"recommendations":[]}`
	explainExample = `{}`
	healthExample  = `{"status":"healthy","database_connected":true,"timestamp":"2026-01-31T12:00:00.25Z","version":"1.0.0"}`
	readyExample   = `{"status":"ready","database_connected":true,"build_id":3,"timestamp":"2026-01-31T12:00:00.25Z"}`
	liveExample    = `{"status":"alive"}`
)
