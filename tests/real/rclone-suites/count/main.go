// Command count reads the events of `go tool test2json` from its input and writes a report of each test: passed, failed
// with its output, skipped with its reason. It prints how many there were of each and fails if one failed, if one never
// ended, or if none passed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
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
	tests, whole, err := read(os.Stdin)
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(report(tests, whole)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	summary, good := judge(tests, whole)
	fmt.Println(summary)
	if !good {
		os.Exit(1)
	}
}

// read collects the tests in the order in which they began, and what was said outside of them.
func read(events io.Reader) (tests []*test, whole *test, err error) {
	whole = &test{name: "the test program"}
	named := map[string]*test{"": whole}
	lines := bufio.NewScanner(events)
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

// judge counts. A test that never ended failed: the program died in it.
func judge(tests []*test, whole *test) (summary string, good bool) {
	count := map[string]int{}
	for _, test := range tests {
		count[test.end]++
	}
	failed := count["fail"] + count[""]
	summary = fmt.Sprintf("%d passed, %d failed, %d skipped", count["pass"], failed, count["skip"])
	return summary, failed == 0 && count["pass"] > 0 && whole.end == "pass"
}

func report(tests []*test, whole *test) string {
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
	return text.String()
}
