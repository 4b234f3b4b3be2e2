package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/apikey"
)

type keysCommand struct {
	List   keysListCommand   `cmd:"" default:"withargs" help:"List API keys, newest first. Secrets are not stored."`
	Create keysCreateCommand `cmd:"" help:"Create a key and print it, once."`
	Revoke keysRevokeCommand `cmd:"" help:"Revoke a key, permanently."`
}

type keysListCommand struct {
	Limit int32 `default:"100" help:"Maximum number of results (default ${default})."`
	JSON  bool  `name:"json" help:"Print JSON."`
}

func (c *keysListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	keys, err := apikey.List(ctx, pool, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, keys)
	}
	t := newTable(term.stdout)
	t.row("KEY", "NAME", "SCOPES", "BEGINS", "STATE", "CREATED (UTC)", "EXPIRES (UTC)", "LAST USED (UTC)")
	for _, k := range keys {
		t.row(strconv.FormatInt(k.KeyID, 10), k.Name, strings.Join(k.Scopes, " "), k.Hint, k.State(time.Now()),
			instant(&k.CreatedAt), instant(k.ExpiresAt), instant(k.LastUsedAt))
	}
	t.flush()
	return nil
}

//nolint:lll // tags cannot be broken
type keysCreateCommand struct {
	Name    string   `arg:"" help:"Who or what the key is for. Changes made with it carry this name."`
	Scope   []string `placeholder:"SCOPE" enum:"read,write,admin" help:"Scope: read (questions), write (orders and rules) or admin (everything). Repeatable; default read and write."`
	Expires *moment  `placeholder:"TIME" help:"Expiry: a time from now (12h, 90d), 2027-01-31 or 2027-01-31T12:00:00Z. Default: never."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// createdKey is the output of keys create --json, the only place where the key itself appears.
type createdKey struct {
	apikey.Key

	Secret string `json:"key"`
}

func (c *keysCreateCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	scopes := c.Scope
	if len(scopes) == 0 {
		scopes = apikey.Usual
	}
	secret, key, err := apikey.Create(ctx, pool, c.Name, scopes, c.Expires.value(), whoami())
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(term.stdout, createdKey{key, secret})
	} else {
		_, err = fmt.Fprintln(term.stdout, secret)
	}
	if err != nil {
		return fmt.Errorf("key %d was created but could not be printed (%w): revoke it and create another", key.KeyID, err)
	}
	fmt.Fprintf(term.stderr, "alsobought: this is key %d, %s (%s): store it now; it will not be shown again\n",
		key.KeyID, printable(key.Name), strings.Join(key.Scopes, " "))
	return nil
}

type keysRevokeCommand struct {
	ID int64 `arg:"" help:"Key ID."`
}

func (c *keysRevokeCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	revoked, err := apikey.Revoke(ctx, pool, c.ID, whoami())
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "revoked key %d, %s\n", revoked.KeyID, printable(revoked.Name))
	return nil
}

// moment is a time on the command line: RFC 3339, a date (midnight UTC), or a duration from now.
type moment time.Time

// UnmarshalText is called by kong while parsing.
func (m *moment) UnmarshalText(text []byte) error {
	t, err := parseMoment(string(text), time.Now())
	*m = moment(t)
	return err
}

func (m *moment) value() *time.Time { return (*time.Time)(m) }

func parseMoment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.Add(time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(d), nil
	}
	return time.Time{}, errors.New("use a time like 2027-01-31T12:00:00Z, a date like 2027-01-31, " +
		"or a duration from now like 12h or 90d")
}
