package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// askedOfEach is how many questions of each kind are compared.
const askedOfEach = 200

// compare asks two versions the same questions. Their speeds say something only if their answers are equal, but for
// what tells one build from another.
func compare(ctx context.Context, versions []*version, q questions) (compared int, err error) {
	var addresses []string
	for _, v := range versions {
		address, stop, err := v.serve(ctx, false)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		addresses = append(addresses, address)
	}
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the same questions every time
	for _, k := range q.kinds(false)[1:] {   // without /livez
		for range askedOfEach {
			question := k.next(random)
			var answers []string
			for _, address := range addresses {
				answer, err := ask(ctx, address, question)
				if err != nil {
					return compared, err
				}
				answers = append(answers, answer)
			}
			for i, answer := range answers {
				if answer != answers[0] {
					return compared, fmt.Errorf("%s and %s answer %q differently:\n%s\n%s", versions[0].name, versions[i].name,
						question, answers[0], answer)
				}
			}
			compared++
		}
	}
	return compared, nil
}

// ask returns an answer without the numbers and times of builds, keys sorted.
func ask(ctx context.Context, address string, question []byte) (answer string, err error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := conn.Write(question); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // every digit counts
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("answer %q: %w", body, err)
	}
	text, err := json.Marshal(withoutBuild(value))
	return fmt.Sprint(response.StatusCode, " ", string(text)), err
}

// withoutBuild takes out what is another in every database.
func withoutBuild(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = withoutBuild(v[i])
		}
	case map[string]any:
		delete(v, "build_id")
		delete(v, "built_at")
		for key := range v {
			v[key] = withoutBuild(v[key])
		}
	}
	return value
}
