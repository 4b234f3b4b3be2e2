package main

import (
	"strings"
	"testing"
)

func TestOriginsAndNetworks(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"*", "https://shop.example", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		if err := new(origin).UnmarshalText([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "shop.example", "https://", "https://shop.example/", "https://shop.example/path",
		"https://u@shop.example", "ftp://x", "null", "https://x?y",
	} {
		if err := new(origin).UnmarshalText([]byte(bad)); err == nil || !strings.Contains(err.Error(), "use a form like") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"10.0.0.0/8", "192.0.2.7", "::1", "fd00::/8", "::ffff:10.0.0.1"} {
		if err := new(network).UnmarshalText([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy", "10.0.0.0/8,"} {
		if err := new(network).UnmarshalText([]byte(bad)); err == nil || !strings.Contains(err.Error(), "use a form like") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestLimitFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--rate-limit=-1":              "rate-limit is -1",
		"--rate-limit=NaN":             "rate-limit is NaN",
		"--max-requests=0":             "max-requests is 0",
		"--max-connections=0":          "max-connections is 0",
		"--drain=0s":                   "drain is 0s",
		"--drain-delay=1h":             "drain-delay is 1h0m0s",
		"--timeout=1h":                 "timeout is 1h0m0s",
		"--allow-origin=shop.example":  "not an origin",
		"--trusted-proxy=10.0.0.0/8,x": "not a network",
	} {
		e := alsobought(t, "postgres://nobody@127.0.0.1:1/nothing", nil, "serve", "--addr", "127.0.0.1:0", args)
		if e.status != exitUsage || !strings.Contains(e.stderr, want) || strings.Count(e.stderr, "\n") != 1 {
			t.Errorf("%s: %d %q", args, e.status, e.stderr)
		}
	}
	high := 7.5
	for _, test := range []struct {
		l            limiting
		local        bool
		address, key float64
	}{
		{limiting{}, true, 0, 0},
		{limiting{}, false, usualRate, 10 * usualRate},
		{limiting{TrustedProxy: make([]network, 1)}, true, usualRate, 10 * usualRate},
		{limiting{RateLimit: &high}, true, high, 10 * high},
		{limiting{RateLimit: new(float64)}, false, 0, 0},
		{limiting{RateLimit: new(float64), KeyRateLimit: &high}, false, 0, high},
	} {
		if address, key := test.l.rates(test.local); address != test.address || key != test.key {
			t.Errorf("%+v: %v, %v", test, address, key)
		}
	}
}
