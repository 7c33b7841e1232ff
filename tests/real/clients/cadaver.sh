#!/usr/bin/env bash
# cadaver (a neon client): folders, every name, a large file, copy, move, lock, properties, delete; then a wrong password.
. "$(dirname "$0")/common.sh"
need cadaver cadaver
prepare cadaver
wipe 'cadaver test/'
host=${url#*://} && host=${host%%[:/]*}
netrc() { [ -z "$user" ] || printf 'machine %s\nlogin %s\npassword %s\n' "$host" "$user" "$1" >.netrc; }
run() { HOME=$dir cadaver "$url" >out.txt 2>&1; }
netrc "$password"
{
  printf '%s\n' 'mkcol "cadaver test"' 'cd "cadaver test"' 'mkcol "sub folder"' 'mkcol "sub folder/ünder 🎬"'
  for name in "${names[@]}" empty.txt large.bin; do printf 'put "files/%s" "sub folder/%s"\n' "$name" "$name"; done
  printf '%s\n' 'copy "sub folder" "a copy"' 'move "a copy/plain.txt" "a copy/moved & renamed.txt"' 'ls' 'ls "a copy"' \
    'get "sub folder/large.bin" large.back' 'get "a copy/moved & renamed.txt" moved.back' \
    'lock "sub folder/plain.txt"' 'discover "sub folder/plain.txt"' 'put files/large.bin "sub folder/plain.txt"' \
    'unlock "sub folder/plain.txt"' 'put "files/two words.txt" "sub folder/plain.txt"' \
    'propset "sub folder/plain.txt" colour green' 'propget "sub folder/plain.txt" colour' 'quit'
} >commands
run <commands
sed -E "s|\\.{9,}|...|" out.txt
if grep -qiE 'failed|error|could not' out.txt; then fail "a command failed"; fi
cmp files/large.bin large.back && cmp files/plain.txt moved.back || fail "a file did not come back as it was sent"
grep -q 'Value of colour is: green' out.txt || fail "the property is not kept"
for name in "${names[@]:1}" empty.txt large.bin; do
  same "cadaver test/sub folder/$name" "files/$name"
  same "cadaver test/a copy/$name" "files/$name"
done
same 'cadaver test/sub folder/plain.txt' 'files/two words.txt'
printf '%s\n' 'delete "cadaver test/a copy/large.bin"' 'rmcol "cadaver test"' quit | run
if grep -qiE 'failed|error|could not' out.txt; then cat out.txt; fail "the deletion failed"; fi
gone 'cadaver test/'
if [ -n "$user" ]; then
  netrc wrong
  # It then asks for a password, and there is nobody.
  echo ls | setsid -w env HOME="$dir" cadaver "$url" >wrong.txt 2>&1 </dev/null
  grep -qiE 'authentication|401|could not' wrong.txt || { cat wrong.txt; fail "a wrong password was taken"; }
fi
echo "$(cadaver --version 2>&1 | head -1): $(wc -l <commands) commands, $((${#names[@]} + 2)) files, copied, moved, locked"
