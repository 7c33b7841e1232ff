#!/usr/bin/env bash
# curl as Kodi has libcurl do it: -L --anyauth, a range from the start, then seeks on the URL that it ended at.
. "$(dirname "$0")/common.sh"
need curl curl
prepare curl
wipe 'curl test/'
mark
as_kodi=(curl -sSg --max-time 60 -A 'Kodi/21.1 (X11; Linux x86_64) App_Bitness/64 Version/21.1' -L --max-redirs 5 --anyauth -H 'Accept: */*' "${login[@]}")
at() { printf '%s%s' "$url" "$(escape "curl test/$1")"; }
answer() { "${as_kodi[@]}" -o /dev/null -w '%{http_code}' "$@"; }
[ "$(answer -X MKCOL "$(at '')")" = 201 ] || fail "MKCOL failed"
for name in "${names[@]}" empty.txt large.bin; do
  [ "$(answer -T "files/$name" "$(at "$name")")" = 201 ] || fail "PUT of $name failed"
  "${as_kodi[@]}" "$(at "$name")" -o back && cmp back "files/$name" || fail "$name did not come back as it was sent"
done
# Of unknown length, as Kodi uploads.
[ "$(answer -T - "$(at streamed.bin)" <files/large.bin)" = 201 ] || fail "PUT of unknown length failed"
same 'curl test/streamed.bin' files/large.bin
# Existence is a HEAD: of a file, of a folder, of what is not there.
for pair in 'large.bin 200' '. 200' '.nomedia 404'; do
  path=${pair% *} && [ "$path" = . ] && path=
  [ "$(answer -I "$(at "$path")")" = "${pair##* }" ] || fail "HEAD of $path is not ${pair##* }"
done
read -r code final < <("${as_kodi[@]}" -r 0- -o back -w '%{http_code} %{url_effective}\n' "$(at large.bin)")
[ "$code" = 206 ] && cmp back files/large.bin || fail "the film is not what was sent ($code)"
for from in 10000001 19999990 1; do
  "${as_kodi[@]}" -r "$from-$((from + 999))" -o back "$final" && cmp back <(tail -c "+$((from + 1))" files/large.bin | head -c 1000) || fail "a seek to $from gave other bytes"
done
redirected_from_bucket Kodi large.bin
[ "$(answer -X COPY -H "Destination: $(at 'a copy.bin')" "$(at large.bin)")" = 201 ] && same 'curl test/a copy.bin' files/large.bin || fail "COPY failed"
[ "$(answer -X MOVE -H "Destination: $(at 'moved 🎬.bin')" "$(at 'a copy.bin')")" = 201 ] && same 'curl test/moved 🎬.bin' files/large.bin || fail "MOVE failed"
[ "$(answer -X DELETE "$(at '')")" = 204 ] || fail "DELETE failed"
gone 'curl test/'
if [ -n "$user" ]; then
  [ "$(curl -s -o /dev/null -w '%{http_code}' --anyauth -u "$user:wrong" "$(at '')")" = 401 ] || fail "a wrong password was taken"
fi
echo "$(curl --version | head -1 | cut -d' ' -f1,2), as Kodi asks: $((${#names[@]} + 3)) files, put, got, three seeks, copied, moved"
