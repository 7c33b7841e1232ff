#!/usr/bin/env bash
# cadaver (a neon client): make, put, list, copy, move, get, delete, with a name that needs escaping.
set -uo pipefail
url=$1 work=$2
dir=$work/cadaver
rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" || exit 1
printf 'some text\n' > 'a file & more.txt'
printf '%s\n' 'mkcol "cadaver test"' 'cd "cadaver test"' 'put "a file & more.txt"' 'copy "a file & more.txt" copy.txt' \
  'move copy.txt moved.txt' 'ls' 'get moved.txt back.txt' 'delete moved.txt' 'cd ..' 'rmcol "cadaver test"' 'quit' \
  | HOME=$dir cadaver "$url" >out.txt 2>&1
cat out.txt
cmp 'a file & more.txt' back.txt || { echo "the file did not come back as it was sent"; exit 1; }
if grep -qiE 'failed|error|could not' out.txt; then echo "a command failed"; exit 1; fi
code=$(curl -s -o /dev/null -w '%{http_code}' -X PROPFIND -H 'Depth: 0' "${url}cadaver%20test/")
[ "$code" = 404 ] || { echo "the folder is still there ($code)"; exit 1; }
echo "11 commands"
