package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the style sheet, the scripts and the icon, under URLs that change with any of them, so that browsers may
// keep them for good.
type assets struct {
	hash  string
	files map[string]asset
}

type asset struct {
	content   []byte
	mediaType string
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func readAssets() *assets {
	a := &assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(name)
		a.files[path.Base(name)] = asset{content, mediaTypes[path.Ext(name)]}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		return err
	})
	if err != nil {
		panic(err) // what is embedded can be read
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return a
}

// url is where a file is.
func (a *assets) url(name string) string { return base + "/assets/" + a.hash + "/" + name }

// ServeHTTP answers with a file. Whoever asks under the hash of another version, as during an update of several
// servers, gets ours, and should not keep it.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, base+"/assets/"), "/")
	file, found := a.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	etag := `"` + a.hash + `"`
	w.Header().Set("ETag", etag)
	if hash == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", file.mediaType)
	_, _ = w.Write(file.content) // a client that is gone
}
