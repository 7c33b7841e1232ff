#!/usr/bin/env bash
# litmus, suite by suite, against one collection. None of its five suites may fail.
set -uo pipefail
url=$1 work=$2
mkdir -p "$work/litmus"
cd "$work/litmus" || exit 1
bad=0 summary=
for suite in basic copymove locks http props; do
  TESTS=$suite litmus -k "$url" >out.txt 2>&1 || bad=1
  grep -qE 'FAIL' out.txt && bad=1
  grep -qE 'summary for' out.txt || bad=1
  summary+=" $suite: $(grep -oE '[0-9]+ passed, [0-9]+ failed' out.txt | tail -1);"
  cat out.txt
done
echo "$summary"
exit $bad
