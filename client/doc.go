// Package client asks an alsobought server over HTTP, and sends it orders and rules.
//
// New makes a client. Its methods are the operations of the API, generated from the server's OpenAPI document:
// SimilarItemsWithResponse asks GET /api/v1/similar-items/{item_name}, and JSON200 of what it returns is the answer.
// What the server refuses is an *Error. Optional parameters are pointers: Limit: new(int64(5)).
package client
