// gowebdav, which is made on Go's net/http: go-gowebdav URL WORK.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/studio-b12/gowebdav"
)

const top = "gowebdav test"

var (
	base     string
	user     = os.Getenv("DAV_USER")
	password = os.Getenv("DAV_PASSWORD")
)

func fail(format string, values ...any) {
	fmt.Printf(format+"\n", values...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// ask is a second opinion: what a plain request gets at the same place.
func ask(method, path string) (int, []byte) {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	request, err := http.NewRequest(method, base+strings.Join(parts, "/"), nil)
	must(err, path)
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	request.Header.Set("Depth", "0")
	if method == "DELETE" {
		request.Header.Del("Depth")
	}
	response, err := http.DefaultClient.Do(request)
	must(err, path)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err, path)
	return response.StatusCode, body
}

func same(path string, content []byte) {
	if status, body := ask("GET", path); status != 200 || !bytes.Equal(body, content) {
		fail("%s is not what was sent (status %d, %d bytes)", path, status, len(body))
	}
}

func gone(path string) {
	if status, _ := ask("PROPFIND", path); status != 404 {
		fail("%s is still there (%d)", path, status)
	}
}

func main() {
	base = os.Args[1]
	client := gowebdav.NewClient(base, user, password)
	large := make([]byte, 20_000_000)
	rand.Read(large)
	contents := map[string][]byte{"empty.txt": {}, "large.bin": large}
	for _, name := range []string{"plain.txt", "two words.txt", "a & b.txt", "100 % #1.txt", "one+one=2.txt", "ümlaut ß.txt",
		"emoji 🎬.txt", "it's (1) [2].txt", "semi;colon,comma@at.txt", "question?.txt"} {
		contents[name] = []byte("This is " + name + ".\n")
	}
	folder := top + "/sub folder"
	ask("DELETE", top)

	must(client.Connect(), "connect")
	must(client.MkdirAll(folder+"/ünder 🎬", 0o755), "mkdir")
	for name, content := range contents {
		must(client.Write(folder+"/"+name, content, 0o644), "write of "+name)
		same(folder+"/"+name, content)
		back, err := client.Read(folder + "/" + name)
		must(err, "read of "+name)
		if !bytes.Equal(back, content) {
			fail("%s did not come back as it was sent", name)
		}
	}
	entries, err := client.ReadDir(folder)
	must(err, "listing")
	listed := []string{}
	for _, entry := range entries {
		listed = append(listed, entry.Name())
	}
	wanted := []string{"ünder 🎬"}
	for name := range contents {
		wanted = append(wanted, name)
	}
	slices.Sort(listed)
	slices.Sort(wanted)
	if !slices.Equal(listed, wanted) {
		fail("the listing is another: %q", listed)
	}
	info, err := client.Stat(folder + "/large.bin")
	must(err, "stat")
	if info.Size() != int64(len(large)) {
		fail("the size of large.bin is wrong: %d", info.Size())
	}
	stream, err := client.ReadStreamRange(folder+"/large.bin", 10_000_001, 1000)
	must(err, "read of a part")
	part, err := io.ReadAll(stream)
	must(err, "read of a part")
	if stream.Close(); !bytes.Equal(part, large[10_000_001:10_001_001]) {
		fail("a part of the file is another (%d bytes)", len(part))
	}

	must(client.WriteStream(folder+"/plain.txt", bytes.NewReader(large), 0o644), "overwriting")
	same(folder+"/plain.txt", large)
	must(client.Write(folder+"/plain.txt", contents["two words.txt"], 0o644), "overwriting")
	same(folder+"/plain.txt", contents["two words.txt"])
	must(client.Copy(folder+"/a & b.txt", top+"/ünder & copy #1.txt", false), "copy")
	same(top+"/ünder & copy #1.txt", contents["a & b.txt"])
	if client.Copy(folder+"/plain.txt", top+"/ünder & copy #1.txt", false) == nil {
		fail("a copy replaced what it was not to replace")
	}
	same(top+"/ünder & copy #1.txt", contents["a & b.txt"])
	must(client.Rename(top+"/ünder & copy #1.txt", top+"/moved 🎬.txt", false), "move")
	same(top+"/moved 🎬.txt", contents["a & b.txt"])
	gone(top + "/ünder & copy #1.txt")
	must(client.Rename(folder, top+"/other folder", false), "move of a folder")
	same(top+"/other folder/100 % #1.txt", contents["100 % #1.txt"])
	gone(folder)
	if _, err := client.Stat(top + "/none.txt"); !gowebdav.IsErrNotFound(err) {
		fail("a missing file is: %v", err)
	}
	must(client.Remove(top+"/moved 🎬.txt"), "removal")
	gone(top + "/moved 🎬.txt")
	must(client.RemoveAll(top), "removal of a folder")
	gone(top)
	if user != "" {
		if _, err := gowebdav.NewClient(base, user, "wrong").ReadDir("/"); err == nil {
			fail("a wrong password was taken")
		}
	}
	version := "?"
	if info, ok := debug.ReadBuildInfo(); ok && len(info.Deps) > 0 {
		version = info.Deps[0].Version
	}
	fmt.Printf("gowebdav %s: %d files, put, got, listed, part, overwritten, copied, moved, deleted\n", version, len(contents))
}
