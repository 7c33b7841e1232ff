#!/usr/bin/env bash
# davmux behind a proxy, with the proxy's file of packaging/: proxy.sh nginx|caddy WORK
# Changes of that file are its addresses and certificates, and for one case the line that a careless copy would lack.
# DAVMUX is the binary. Status 77: what is needed is not installed.
set -uo pipefail
proxy=$1 work=$(mktemp -d "${2:-/tmp}/proxy-XXXXXX")
here=$(cd "$(dirname "$0")" && pwd)
binary=${DAVMUX:-$here/../../target/release/davmux}
for needed in "$proxy" litmus curl python3 openssl; do
  command -v "$needed" >/dev/null || { echo "not installed ($needed; Debian's package of that name)"; exit 77; }
done
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
failed=0 passed=0
check() { # name, command...
  local name=$1
  shift
  if "$@" >"$work/out" 2>&1; then passed=$((passed + 1)); else failed=1; echo "FAILED: $name"; tail -20 "$work/out"; fi
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

python3 "$here/proxy_bucket.py" >"$work/bucket.port" &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/bucket.port" ] && break; sleep 0.1; done

mkdir "$work/files"
bucket() {
  printf '  - { path: %s, driver: s3, provider: minio, bucket: bucket, endpoint: "http://127.0.0.1:%s", access_key_id: key, secret_access_key: secret,\n' \
    "$1" "$(cat "$work/bucket.port")"
  printf '      region: us-east-1, force_path_style: true, list_object_version: v2, list_cache: 0s%s }\n' "$2"
}
{
  printf 'version: 1\nserver: { anonymous: read-write, listen: "127.0.0.1:0", trusted_proxies: [127.0.0.1], state_dir: %s }\nmounts:\n' "$work/state"
  printf '  - { path: /files, driver: local, root_folder_path: %s }\n' "$work/files"
  bucket /bucket ''
  bucket /http ', read: redirect'
  bucket /https ', read: redirect, custom_host: "https://cdn.example.com", custom_host_presign: true'
} >"$work/mounts.yaml"
"$binary" --log-format json serve "$work/mounts.yaml" >"$work/davmux.out" 2>"$work/davmux.log" &
pids+=($!)
for _ in $(seq 100); do
  backend=$(sed -n 's|^listening on http://\(.*\)/$|\1|p' "$work/davmux.out")
  [ -n "$backend" ] && break
  sleep 0.1
done
[ -n "$backend" ] || { cat "$work/davmux.log"; exit 1; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
port=$(free_port)
start_nginx() { # a sed program that makes the example careless
  mkdir -p "$work/nginx"
  {
    printf 'daemon off; pid %s/pid; error_log %s/error.log; events {}\nhttp {\n  access_log off;\n' "$work/nginx" "$work/nginx"
    for kind in client_body proxy fastcgi uwsgi scgi; do printf '  %s_temp_path %s/%s;\n' $kind "$work/nginx" $kind; done
    sed -e "s|server 127.0.0.1:8080;|server $backend;|" -e "s|listen 443 ssl http2|listen 127.0.0.1:$port ssl http2|" \
      -e "s|/etc/letsencrypt/live/files.example.com/fullchain.pem|$work/cert.pem|" \
      -e "s|/etc/letsencrypt/live/files.example.com/privkey.pem|$work/key.pem|" -e "$1" "$here/../../packaging/nginx.conf"
    printf '}\n'
  } >"$work/nginx.conf"
  nginx -p "$work/nginx" -e "$work/nginx/error.log" -c "$work/nginx.conf" >"$work/proxy.log" 2>&1 &
}
start_caddy() {
  {
    printf '{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tstorage file_system %s\n}\n' "$work/caddy"
    sed -e "s|127.0.0.1:8080 {|$backend {|" -e "s|^files.example.com {|https://localhost:$port, https://127.0.0.1:$port {\n\ttls $work/cert.pem $work/key.pem|" \
      "$here/../../packaging/Caddyfile"
  } >"$work/Caddyfile"
  XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work caddy run --config "$work/Caddyfile" --adapter caddyfile >"$work/proxy.log" 2>&1 &
}
up() { # the sed program
  "start_$proxy" "$1"
  proxy_pid=$!
  pids+=($proxy_pid)
  for _ in $(seq 100); do curl -sk -o /dev/null "$url/" && return; sleep 0.1; done
  echo "FAILED: $proxy did not start"
  cat "$work/proxy.log" "$work"/nginx/error.log 2>/dev/null
  exit 1
}
url=https://127.0.0.1:$port
dav() { curl -sS --cacert "$work/cert.pem" "$@"; }
code() { dav -o /dev/null -w '%{http_code}' "$@"; }
is() { [ "$1" = "$2" ] || { echo "$1 in place of $2"; return 1; }; }
up ''

# Promise 1: a listing that fails in the middle is an error at the client, and never a shorter list.
cut_listing() {
  local version answer
  for version in --http1.1 --http2; do
    # That it began shows that the failure came in its middle.
    answer=$(dav $version -X PROPFIND -H 'Depth: 1' -o "$work/list" -w '%{http_code}' "$url/bucket/many/")
    local status=$?
    # Debian 12's Caddy (2.6.2) ends a chunked answer in order whose backend failed (caddyserver/caddy#5951); then the
    # list without its end has to be enough.
    [ $status != 0 ] || [ "$proxy" = caddy ] || { echo "curl $version took it for whole"; return 1; }
    is "$answer" 207 || return 1
    ! grep -q '</D:multistatus>' "$work/list" || { echo "the list looks whole"; return 1; }
  done
}
check "a listing that fails in the middle is cut" cut_listing

check "litmus" bash "$here/litmus.sh" "$url/files/" "$work"

# Names that a proxy may want to make nicer, and Destination with the scheme and the host outside.
odd_names() {
  local name encoded other
  local n=0
  for name in 'a b' 'plus+and space' '100%' '%20' '%2F' '%252F' 'semi;colon' 'at@colon:comma,' "quote'paren()" 'hash#question?' \
    'amp&eq=dollar$' 'tilde~bang!star*' 'back\slash' 'caret^pipe|brace{}[]' 'ümlaut' '日本語' 'dot.' '..a' '...'; do
    encoded=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$name")
    other=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote("moved " + sys.argv[1], safe=""))' "$name")
    case $name in
      *%2F*)
        # A name with an encoded slash is no name; whoever answers, it is no success.
        [[ $(code --path-as-is -T "$work/cert.pem" "$url/files/$encoded") = [24]* ]] || return 1
        continue
        ;;
    esac
    n=$((n + 1))
    is "$(code --path-as-is -T "$work/cert.pem" "$url/files/$encoded")" 201 || { echo "PUT $name"; return 1; }
    cmp "$work/cert.pem" "$work/files/$name" || return 1
    is "$(code --path-as-is -X COPY -H "Destination: $url/files/$other" "$url/files/$encoded")" 201 || { echo "COPY $name"; return 1; }
    cmp "$work/cert.pem" "$work/files/moved $name" || return 1
    is "$(code --path-as-is -X MOVE -H "Destination: $url/files/$encoded" -H 'Overwrite: T' "$url/files/$other")" 204 || { echo "MOVE $name"; return 1; }
    [ -e "$work/files/$name" ] && [ ! -e "$work/files/moved $name" ] || { echo "MOVE $name went elsewhere"; return 1; }
    is "$(code --path-as-is -X DELETE "$url/files/$encoded")" 204 || { echo "DELETE $name"; return 1; }
  done
  [ $n -gt 15 ]
}
check "odd names go through as they are" odd_names

large_upload() {
  head -c 300M /dev/urandom >"$work/large"
  is "$(code -T "$work/large" "$url/files/large")" 201 && cmp "$work/large" "$work/files/large"
}
check "a large upload" large_upload

# What is sent of an upload is at the backend before the rest of it is sent.
streamed() {
  mkfifo "$work/slow"
  dav -T - -o /dev/null "$url/files/slow" <"$work/slow" &
  local client=$! seen=1
  exec 9>"$work/slow"
  head -c 5000000 /dev/urandom >&9
  for _ in $(seq 100); do
    [ -n "$(find "$work/files" -size +3000k ! -name large -print -quit)" ] && { seen=0; break; }
    sleep 0.1
  done
  exec 9>&-
  wait $client && [ $seen = 0 ] && is "$(stat -c %s "$work/files/slow")" 5000000
}
check "an upload is passed on as it comes" streamed

# No range of a download is lost.
ranges() {
  dav -r 1000000-1999999 -o "$work/part" "$url/files/large" && cmp "$work/part" <(tail -c +1000001 "$work/large" | head -c 1000000)
}
check "a range of a download" ranges

redirects() {
  local location
  location=$(dav -o /dev/null -w '%{http_code} %{redirect_url}' -A Kodi/21.0 "$url/https/film")
  [[ $location = '302 https://cdn.example.com/'* ]] || { echo "$location"; return 1; }
  # Plain http behind https: relayed, which this bucket refuses, and not redirected.
  [[ $(code -A Kodi/21.0 "$url/http/film") != 30* ]] || return 1
  location=$(dav -o /dev/null -w '%{redirect_url}' "$url/files")
  [ -z "$location" ] || [[ $location = "$url"/* ]] || { echo "$location"; return 1; }
}
check "the client's scheme decides" redirects

# Who asks is whom the proxy saw, whatever the client says of itself.
addresses() {
  dav --interface 127.0.0.2 -o /dev/null -H 'X-Forwarded-For: 6.6.6.6' -H 'Forwarded: for=7.7.7.7;proto=http' "$url/files/?who=asks"
  sleep 0.5
  grep '127.0.0.2' "$work/davmux.log" | grep -q '"client":"127.0.0.2"' || { grep '/files/' "$work/davmux.log" | tail -1; return 1; }
  ! grep -qE '"client":"(6.6.6.6|7.7.7.7)"' "$work/davmux.log"
}
check "the client's address" addresses

if [ "$proxy" = nginx ]; then
  # As nginx does it when nothing is said: HTTP/1.0 to the backend, where the end of the connection ends the list.
  kill $proxy_pid && wait $proxy_pid
  port=$(free_port) url=https://127.0.0.1:$port
  up '/proxy_http_version/d; /Connection ""/d; /proxy_buffering/d'
  check "a listing that fails is cut also over HTTP/1.0 to the backend" cut_listing
fi

[ $failed = 0 ] && echo "$passed checks behind $proxy passed"
exit $failed
