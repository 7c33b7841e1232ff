#!/usr/bin/env bash
# rclone as a WebDAV remote: sync a folder up, compare every byte, sync a change, rename, sync back, purge.
set -uo pipefail
url=$1 work=$2
dir=$work/rclone
rm -rf "$dir" && mkdir -p "$dir/up/sub folder/ümlaut & plus+" "$dir/up/empty" && cd "$dir" || exit 1
for n in $(seq 40); do printf 'file %s\n' "$n" >"up/sub folder/file $n.txt"; done
printf 'odd\n' >'up/sub folder/ümlaut & plus+/100 % #1?.txt'
head -c 20000000 /dev/urandom >up/large.bin
rc() { rclone --config /dev/null --webdav-url "$url" --webdav-vendor other --retries 1 --low-level-retries 1 "$@"; }
fail() { echo "$1"; exit 1; }
rc sync --create-empty-src-dirs up :webdav:test || fail "sync up failed"
rc check --download up :webdav:test || fail "what is there is not what was sent"
rm "up/sub folder/file 7.txt" && printf 'changed, and longer\n' >"up/sub folder/file 8.txt"
rc sync --create-empty-src-dirs up :webdav:test || fail "the second sync failed"
rc check --download up :webdav:test || fail "after the second sync something differs"
rc moveto :webdav:test :webdav:moved || fail "the move failed"
rc sync --create-empty-src-dirs :webdav:moved down || fail "sync down failed"
diff -r up down || fail "what came back is not what was sent"
rc purge :webdav:moved || fail "the purge failed"
rc lsf :webdav: | grep -qE '^(test|moved)/' && fail "something is left"
echo "sync, check, change, move, sync back, purge: 42 files"
