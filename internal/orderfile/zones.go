package orderfile

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the same zones on machines and in containers without zone data
)

// zoneNames maps common zone names that are not in the IANA database, in lower case, to zones that are.
var zoneNames = map[string]string{
	"z": "UTC", "utc": "UTC", "gmt": "UTC", "coordinated universal time": "UTC", "western european time": "Europe/Lisbon",
	"est": "America/New_York", "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
	"mst": "America/Denver", "mdt": "America/Denver", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
	"akst": "America/Anchorage", "hst": "Pacific/Honolulu", "bst": "Europe/London", "wet": "Europe/Lisbon",
	"cet": "Europe/Paris", "cest": "Europe/Paris", "mez": "Europe/Berlin", "mesz": "Europe/Berlin",
	"eet": "Europe/Helsinki", "eest": "Europe/Helsinki", "msk": "Europe/Moscow", "jst": "Asia/Tokyo", "kst": "Asia/Seoul",
	"aest": "Australia/Sydney", "aedt": "Australia/Sydney", "acst": "Australia/Adelaide", "awst": "Australia/Perth",
	"nzst": "Pacific/Auckland", "nzdt": "Pacific/Auckland", "sgt": "Asia/Singapore", "hkt": "Asia/Hong_Kong",

	"eastern time (us & canada)": "America/New_York", "central time (us & canada)": "America/Chicago",
	"mountain time (us & canada)": "America/Denver", "pacific time (us & canada)": "America/Los_Angeles",
	"arizona": "America/Phoenix", "indiana (east)": "America/Indiana/Indianapolis", "alaska": "America/Anchorage",
	"hawaii": "Pacific/Honolulu", "atlantic time (canada)": "America/Halifax", "newfoundland": "America/St_Johns",
	"saskatchewan": "America/Regina", "puerto rico": "America/Puerto_Rico", "mexico city": "America/Mexico_City",
	"brasilia": "America/Sao_Paulo", "buenos aires": "America/Argentina/Buenos_Aires", "bogota": "America/Bogota",
	"lima": "America/Lima", "santiago": "America/Santiago", "dublin": "Europe/Dublin", "edinburgh": "Europe/London",
	"london": "Europe/London", "lisbon": "Europe/Lisbon", "amsterdam": "Europe/Amsterdam", "berlin": "Europe/Berlin",
	"bern": "Europe/Zurich", "brussels": "Europe/Brussels", "copenhagen": "Europe/Copenhagen", "madrid": "Europe/Madrid",
	"paris": "Europe/Paris", "prague": "Europe/Prague", "rome": "Europe/Rome", "stockholm": "Europe/Stockholm",
	"vienna": "Europe/Vienna", "warsaw": "Europe/Warsaw", "zagreb": "Europe/Zagreb", "athens": "Europe/Athens",
	"bucharest": "Europe/Bucharest", "helsinki": "Europe/Helsinki", "istanbul": "Europe/Istanbul", "kyiv": "Europe/Kiev",
	"moscow": "Europe/Moscow", "jerusalem": "Asia/Jerusalem", "dubai": "Asia/Dubai", "abu dhabi": "Asia/Dubai",
	"mumbai": "Asia/Kolkata", "new delhi": "Asia/Kolkata", "bangkok": "Asia/Bangkok", "jakarta": "Asia/Jakarta",
	"beijing": "Asia/Shanghai", "hong kong": "Asia/Hong_Kong", "singapore": "Asia/Singapore", "taipei": "Asia/Taipei",
	"perth": "Australia/Perth", "osaka": "Asia/Tokyo", "tokyo": "Asia/Tokyo", "seoul": "Asia/Seoul",
	"adelaide": "Australia/Adelaide", "brisbane": "Australia/Brisbane", "melbourne": "Australia/Melbourne",
	"sydney": "Australia/Sydney", "auckland": "Pacific/Auckland", "pretoria": "Africa/Johannesburg",

	"eastern standard time": "America/New_York", "us eastern standard time": "America/Indiana/Indianapolis",
	"central standard time": "America/Chicago", "mountain standard time": "America/Denver",
	"us mountain standard time": "America/Phoenix", "pacific standard time": "America/Los_Angeles",
	"atlantic standard time": "America/Halifax", "gmt standard time": "Europe/London",
	"w. europe standard time": "Europe/Berlin", "romance standard time": "Europe/Paris",
	"central europe standard time": "Europe/Budapest", "central european standard time": "Europe/Warsaw",
	"e. europe standard time": "Europe/Chisinau", "fle standard time": "Europe/Kiev", "gtb standard time": "Europe/Bucharest",
	"russian standard time": "Europe/Moscow", "turkey standard time": "Europe/Istanbul", "israel standard time": "Asia/Jerusalem",
	"india standard time": "Asia/Kolkata", "china standard time": "Asia/Shanghai", "tokyo standard time": "Asia/Tokyo",
	"singapore standard time": "Asia/Singapore", "aus eastern standard time": "Australia/Sydney",
	"e. australia standard time": "Australia/Brisbane", "w. australia standard time": "Australia/Perth",
	"new zealand standard time": "Pacific/Auckland", "e. south america standard time": "America/Sao_Paulo",
	"south africa standard time": "Africa/Johannesburg",
}

// locations caches zones by name as written: a file uses few, and time.LoadLocation parses data each time.
var locations sync.Map

// zoneNamed returns the zone with an IANA or other common name, or with an offset; nil if there is none.
func zoneNamed(name string) *time.Location {
	const longest = 64
	if len(name) > longest {
		return nil
	}
	if known, found := locations.Load(name); found {
		return known.(*time.Location) //nolint:forcetypeassert // nothing else is stored
	}
	location := findZone(name)
	if location != nil {
		locations.Store(strings.Clone(name), location)
	}
	return location
}

func findZone(name string) *time.Location {
	if iana, known := zoneNames[strings.ToLower(name)]; known {
		name = iana
	}
	if strings.Contains(name, "/") || name == "UTC" {
		location, err := time.LoadLocation(name)
		if err != nil {
			return nil
		}
		return location
	}
	p := timeParser{rest: []byte(strings.TrimPrefix(strings.TrimPrefix(name, "GMT"), "UTC")), ok: true}
	if p.zone(); !p.ok || len(p.rest) > 0 {
		return nil
	}
	return time.FixedZone(name, p.offset)
}
