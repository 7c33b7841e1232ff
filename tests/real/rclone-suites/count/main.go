// Command count reads the events of `go tool test2json` from its input and writes a report of each test: passed, failed
// with its output, skipped with its reason. It prints how many there were of each and fails if one failed, if one never
// ended, or if none passed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// event is one line of test2json (cmd/internal/test2json of Go). Test is empty where it is about the whole program.
type event struct {
	Action, Test, Output string
}

// test is what became of one.
type test struct {
	name, end string
	output    []string
}

var place = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)

// reason is the last thing that a test said before it was skipped.
func (t *test) reason() string {
	for i := len(t.output) - 1; i >= 0; i-- {
		if at := place.FindString(t.output[i]); at != "" {
			return strings.TrimSpace(strings.TrimPrefix(t.output[i], at))
		}
	}
	return "no reason given"
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: count REPORT <EVENTS")
		os.Exit(2)
	}
	tests, whole, err := read()
	if err == nil {
		err = report(os.Args[1], tests, whole)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	count := map[string]int{}
	for _, test := range tests {
		count[test.end]++
	}
	failed := count["fail"] + count[""]
	fmt.Printf("%d passed, %d failed, %d skipped\n", count["pass"], failed, count["skip"])
	if failed > 0 || count["pass"] == 0 || whole.end != "pass" {
		os.Exit(1)
	}
}

// read collects the tests in the order in which they began, and what was said outside of them.
func read() (tests []*test, whole *test, err error) {
	whole = &test{name: "the test program"}
	named := map[string]*test{"": whole}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var event event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, nil, fmt.Errorf("not an event of test2json: %q: %w", lines.Text(), err)
		}
		of := named[event.Test]
		if of == nil {
			of = &test{name: event.Test}
			named[event.Test] = of
			tests = append(tests, of)
		}
		switch event.Action {
		case "output":
			of.output = append(of.output, event.Output)
		case "pass", "fail", "skip":
			of.end = event.Action
		}
	}
	return tests, whole, lines.Err()
}

func report(file string, tests []*test, whole *test) error {
	var text strings.Builder
	for _, test := range append(tests, whole) {
		switch test.end {
		case "pass":
			fmt.Fprintf(&text, "PASS %s\n", test.name)
		case "skip":
			fmt.Fprintf(&text, "SKIP %s: %s\n", test.name, test.reason())
		case "fail":
			fmt.Fprintf(&text, "FAIL %s\n%s", test.name, strings.Join(test.output, ""))
		default:
			fmt.Fprintf(&text, "FAIL %s never ended\n%s", test.name, strings.Join(test.output, ""))
		}
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}
