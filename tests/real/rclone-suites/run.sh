#!/usr/bin/env bash
# One of rclone's own test suites on one collection that davmux serves.
#   run.sh URL SUITE VENDOR REPORT
# SUITE is backend/webdav, fs/operations, fs/sync or vfs; VENDOR is rclone, owncloud or other. REPORT gets each test with what became
# of it and why it was skipped; the output ends in how many there were. What may fail is in exceptions.txt, each with its reason.
set -uo pipefail
url=$1 suite=$2 vendor=$3
mkdir -p "$(dirname "$4")"
report=$(realpath "$4")
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Linking takes longest, so the programs are kept.
package=github.com/rclone/rclone/$suite
[ "$suite" = backend/webdav ] && package=.
bin=$(realpath ../../..)/target/real/bin
test=$bin/${suite//\//-}.test
go test -c -o "$test" "$package" && go build -o "$bin/count" ./count || { echo "$suite cannot be built"; exit 1; }

skip= names=() settings=()
while IFS='|' read -r of name setting _; do
  read -r of <<<"$of"
  [ "$of" = "$suite" ] || continue
  read -r name <<<"$name"
  read -r setting <<<"$setting"
  names+=("$name") settings+=("$setting")
  skip+=${skip:+|}^${name//\//\$/^}\$
done <exceptions.txt

# The remotes: as a user has it without further settings, and with that of each exception.
remote() { printf '[%s]\ntype = webdav\nurl = %s\nvendor = %s\n%s\n' "$1" "$url" "$vendor" "${2-}"; }
{
  remote davmux
  for n in "${!settings[@]}"; do [ "${settings[n]}" = - ] || remote "davmux$n" "${settings[n]}"; done
} >"$work/rclone.conf"

# rclone looks for servers that it could start in its source tree; nothing is started here.
mkdir -p "$work/cwd/fstest/testserver/init.d" "$work/tmp"
# Nothing is tried twice: what davmux answered is there at once, and its first answer is the right one.
tests() {
  local to=$1 remote=$2
  shift 2
  (cd "$work/cwd" && RCLONE_CONFIG=$work/rclone.conf RCLONE_CACHE_DIR=$work/cache TMPDIR=$work/tmp \
    go tool test2json -t "$test" -test.v=test2json -test.timeout 30m -remote "$remote:" -list-retries 1 -low-level-retries 1 \
    "$@" 2>"$to.err" | "$bin/count" "$to")
}

failed=0
summary=$(tests "$report" davmux ${skip:+-test.skip "$skip"}) || failed=1
awk '/^(PASS|SKIP) / { failure = 0 } /^FAIL / { failure = 1 } failure' "$report"
[ $failed = 0 ] || cat "$report.err"
rm -f "$report.err"
for n in "${!names[@]}"; do
  name=${names[n]} only=^${names[n]//\//\$/^}\$
  if tests "$work/alone" davmux -test.run "$only" >"$work/out"; then
    failed=1
    echo "$name passes: take it out of exceptions.txt"
  elif ! grep -qxF "FAIL $name" "$work/alone"; then
    failed=1
    echo "$name did not run: $(cat "$work/out")"
  fi
  echo "EXCEPTED $name" >>"$report"
  [ "${settings[n]}" = - ] && continue
  if ! tests "$work/alone" "davmux$n" -test.run "$only" >"$work/out" || ! grep -qxF "PASS $name" "$work/alone"; then
    failed=1
    echo "$name does not pass with ${settings[n]}: $(cat "$work/out")"
    cat "$work/alone"
  fi
done
echo "$summary, ${#names[@]} excepted"
exit $failed
