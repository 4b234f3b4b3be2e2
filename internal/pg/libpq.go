package pg

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

var passwordSetting = regexp.MustCompile(`(^|\s)password\s*=\s*('(\\.|[^'\\])*'|(\\.|\S)*)`)

// ForLibpq returns what psql, pg_dump and the like need for the pool's database: the value of --dbname and additional
// environment variables. The password is in the environment, because arguments are visible to every user of the
// machine. Settings that only pgx knows are omitted.
func ForLibpq(pool *pgxpool.Pool) (database string, environment []string) {
	config := pool.Config()
	if password := config.ConnConfig.Password; password != "" {
		environment = []string{"PGPASSWORD=" + password}
	}
	database = config.ConnString()
	if !strings.HasPrefix(database, "postgres://") && !strings.HasPrefix(database, "postgresql://") {
		return passwordSetting.ReplaceAllString(database, "$1"), environment
	}
	u, err := url.Parse(database)
	if err != nil {
		return database, environment // the pool was created from it
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	var kept []string
	for setting := range strings.SplitSeq(u.RawQuery, "&") {
		if name, _, _ := strings.Cut(setting, "="); setting != "" && name != "password" && !onlyPgx(name) {
			kept = append(kept, setting)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	return u.String(), environment
}

func onlyPgx(name string) bool {
	switch name {
	case "default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity":
		return true
	}
	return strings.HasPrefix(name, "pool_")
}
