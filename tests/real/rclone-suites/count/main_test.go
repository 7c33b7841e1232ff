package main

import (
	"strings"
	"testing"
)

const (
	passed  = `{"Action":"run","Test":"TestA"}` + "\n" + `{"Action":"pass","Test":"TestA"}` + "\n"
	skipped = `{"Action":"run","Test":"TestB"}` + "\n" + `{"Action":"output","Test":"TestB","Output":"    b_test.go:5: a remote: without times\n"}` + "\n" +
		`{"Action":"output","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}` + "\n" + `{"Action":"skip","Test":"TestB"}` + "\n"
	failed = `{"Action":"run","Test":"TestC"}` + "\n" + `{"Action":"output","Test":"TestC","Output":"    c_test.go:7: not so\n"}` + "\n" +
		`{"Action":"fail","Test":"TestC"}` + "\n"
	good, bad = `{"Action":"pass"}` + "\n", `{"Action":"fail"}` + "\n"
)

func TestWhatIsGoodAndWhatIsNot(t *testing.T) {
	for _, run := range []struct {
		name, events, summary string
		good                  bool
	}{
		{"all passed or skipped", passed + skipped + good, "1 passed, 0 failed, 1 skipped", true},
		{"one failed", passed + failed + bad, "1 passed, 1 failed, 0 skipped", false},
		{"one never ended", passed + `{"Action":"run","Test":"TestD"}` + "\n" + good, "1 passed, 1 failed, 0 skipped", false},
		{"nothing ran", good, "0 passed, 0 failed, 0 skipped", false},
		{"all were skipped", skipped + good, "0 passed, 0 failed, 1 skipped", false},
		{"the program failed", passed + bad, "1 passed, 0 failed, 0 skipped", false},
		{"the program was cut off", passed, "1 passed, 0 failed, 0 skipped", false},
	} {
		t.Run(run.name, func(t *testing.T) {
			tests, whole, err := read(strings.NewReader(run.events))
			if err != nil {
				t.Fatal(err)
			}
			if summary, good := judge(tests, whole); summary != run.summary || good != run.good {
				t.Errorf("%s, good: %v", summary, good)
			}
		})
	}
}

func TestTheReportHasReasonsAndOutput(t *testing.T) {
	tests, whole, err := read(strings.NewReader(passed + skipped + failed + bad))
	if err != nil {
		t.Fatal(err)
	}
	want := "PASS TestA\nSKIP TestB: a remote: without times\nFAIL TestC\n    c_test.go:7: not so\nFAIL the test program\n"
	if got := report(tests, whole); got != want {
		t.Errorf("%s", got)
	}
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	if _, _, err := read(strings.NewReader("panic\n")); err == nil {
		t.Error("it was taken")
	}
}
