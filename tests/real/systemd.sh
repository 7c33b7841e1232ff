#!/usr/bin/env bash
# The units of packaging/, as systemd reads them, and a socket that it opens: systemd.sh WORK
# DAVMUX is the binary. Status 77: what is needed is not installed.
set -uo pipefail
work=$(mktemp -d "${1:-/tmp}/systemd-XXXXXX")
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${DAVMUX:-$here/../../target/release/davmux}")
for needed in systemd-analyze systemd-socket-activate curl; do
  command -v "$needed" >/dev/null || { echo "not installed ($needed; Debian's package systemd)"; exit 77; }
done
pid=
trap '[ -z "$pid" ] || { kill $pid 2>/dev/null; wait $pid 2>/dev/null; }; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

# That its program is there is looked at, so it is the one under test.
mkdir "$work/units"
cp "$here"/../../packaging/davmux.{service,socket} "$work/units"
sed -i "s|/usr/bin/davmux|$binary|" "$work/units/davmux.service"
said=$(systemd-analyze verify --man=no "$work"/units/davmux.{service,socket} 2>&1)
[ $? = 0 ] && [ -z "$said" ] || fail "systemd-analyze verify: $said"
# 0 is a service that may do nothing, 10 one that may do everything. 20 is the limit of 2.0.
rated=$(systemd-analyze security --offline=true --threshold=20 --no-pager "$work/units/davmux.service" 2>&1) ||
  fail "the unit exposes more than it should: $(tail -1 <<<"$rated")"
tail -1 <<<"$rated"

mkdir "$work/files"
echo hello >"$work/files/file"
printf 'version: 1\nserver: { anonymous: read-only, listen: "systemd:web", state_dir: %s }\nmounts:\n  - { path: /files, driver: local, root_folder_path: %s }\n' \
  "$work/state" "$work/files" >"$work/mounts.yaml"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
systemd-socket-activate -l "127.0.0.1:$port" --fdname=web "$binary" serve "$work/mounts.yaml" >"$work/out" 2>&1 &
pid=$!
# The first connection starts it, and waits for it in the socket's queue.
answer=$(curl -sS --retry 50 --retry-delay 0 --retry-connrefused --max-time 30 "http://127.0.0.1:$port/files/file") || { cat "$work/out"; fail "no answer"; }
[ "$answer" = hello ] || fail "the answer is $answer"
grep -q "listening on http://127.0.0.1:$port/" "$work/out" || { cat "$work/out"; fail "it listens elsewhere"; }
echo "4 checks with systemd $(systemd-analyze --version | awk 'NR == 1 { print $2 }') passed"
