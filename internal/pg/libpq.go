package pg

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	keywordSetting = regexp.MustCompile(`(\w+)\s*=\s*('(\\.|[^'\\])*'|(\\.|[^\s\\])*)\s*`)
	optionEscapes  = strings.NewReplacer(`\`, `\\`, " ", `\ `)
)

// ForLibpq returns what psql, pg_dump and the like need for the pool's database: the value of --dbname and additional
// environment variables. The password is in the environment, because arguments are visible to every user of the
// machine, and so are settings of the session, which libpq does not take by name. Settings that only pgx knows are
// omitted.
func ForLibpq(pool *pgxpool.Pool) (database string, environment []string) {
	config := pool.Config()
	if password := config.ConnConfig.Password; password != "" {
		environment = []string{"PGPASSWORD=" + password}
	}
	session := maps.Clone(config.ConnConfig.RuntimeParams)
	delete(session, "application_name")
	delete(session, "client_encoding")
	if len(session) > 0 {
		environment = append(environment, "PGOPTIONS="+options(session))
	}
	omitted := func(name string) bool {
		_, found := session[name]
		return found || name == "password" || onlyPgx(name)
	}
	return without(config.ConnString(), omitted), environment
}

// options writes settings of a session as the value of PGOPTIONS. Its own, if given, come first.
func options(session map[string]string) string {
	written := []string{}
	if given, found := session["options"]; found {
		written = append(written, given)
	}
	for _, name := range slices.Sorted(maps.Keys(session)) {
		if name != "options" {
			written = append(written, "-c "+name+"="+optionEscapes.Replace(session[name]))
		}
	}
	return strings.Join(written, " ")
}

// without removes settings from a connection string, a URL or keywords and values.
func without(database string, omitted func(name string) bool) string {
	if !strings.HasPrefix(database, "postgres://") && !strings.HasPrefix(database, "postgresql://") {
		return strings.TrimSpace(keywordSetting.ReplaceAllStringFunc(database, func(setting string) string {
			if name, _, _ := strings.Cut(setting, "="); omitted(strings.TrimSpace(name)) {
				return ""
			}
			return setting
		}))
	}
	u, err := url.Parse(database)
	if err != nil {
		return database // the pool was created from it
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	var kept []string
	for setting := range strings.SplitSeq(u.RawQuery, "&") {
		if name, _, _ := strings.Cut(setting, "="); setting != "" && !omitted(name) {
			kept = append(kept, setting)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	return u.String()
}

func onlyPgx(name string) bool {
	switch name {
	case "default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity":
		return true
	}
	return strings.HasPrefix(name, "pool_")
}
