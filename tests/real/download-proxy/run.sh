#!/usr/bin/env bash
# OpenList's real download proxy between a client and davmux: run.sh DAVMUX DEMO-MOUNTS-FILE WORK
# OPENLIST_PROXY is openlist-proxy.js of a clone of https://github.com/OpenListTeam/OpenList-Proxy; Node.js runs it.
set -euo pipefail
davmux=$1 demo=$2 work=$3/download-proxy
here=$(dirname "$0")
[ -f "${OPENLIST_PROXY:-}" ] || { echo "no OPENLIST_PROXY (openlist-proxy.js of github.com/OpenListTeam/OpenList-Proxy)"; exit 77; }
command -v node >/dev/null || { echo "not installed (node, 18 or later)"; exit 77; }
mkdir -p "$work"
cp "$OPENLIST_PROXY" "$work/openlist-proxy.mjs"
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done' EXIT

token=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
echo '{}' >"$work/env.json"
node "$here/worker.mjs" "$work/openlist-proxy.mjs" "$work/env.json" >"$work/port" &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done
worker=http://127.0.0.1:$(cat "$work/port")
read -r endpoint key secret < <(awk '$1 == "endpoint:" { e = $2 } $1 == "access_key_id:" { k = $2 }
  $1 == "secret_access_key:" { print e, k, $2; exit }' "$demo")
cat >"$work/mounts.yaml" <<YAML
version: 1
server: { anonymous: read-write, base_path: /dav, proxy_token: "$token" }
mounts:
  - { path: /films, driver: s3, provider: minio, bucket: archive, root_folder_path: download-proxy, endpoint: "$endpoint", region: us-east-1,
      access_key_id: "$key", secret_access_key: "$secret", force_path_style: true, read: proxy_url, proxy_url: "$worker/" }
YAML
"$davmux" serve "$work/mounts.yaml" --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
pids+=($!)
for _ in $(seq 100); do grep -q 'listening on' "$work/out" && break; sleep 0.1; done
server=$(grep -ohE 'http://127\.0\.0\.1:[0-9]+' "$work/out" | head -1)/dav
env() { printf '{"ADDRESS":"%s","TOKEN":"%s","WORKER_ADDRESS":"%s"}' "$server" "$1" "$worker" >"$work/env.json"; }
env "$token"

checks=0
same() { checks=$((checks + 1)); [ "$2" = "$3" ] || { echo "$1: $2 and not $3"; exit 1; }; }
head -c 400000 /dev/urandom >"$work/film"
for name in film a%20b.bin 50%2525.bin '%231%3Fx%3Dy.bin' a%2Bb%26c.bin %C3%BC%20%E6%98%A0.bin; do
  url=$server/films/$name
  same "PUT $name" "$(curl -sS -o /dev/null -w '%{http_code}' -T "$work/film" "$url")" 201
  there=$(curl -sS -A VLC/3.0.20 -o /dev/null -w '%{http_code} %{redirect_url}' "$url")
  same "GET $name" "${there%%\?*}" "302 $worker/films/$name"
  same "the content of $name" "$(curl -sSL -A VLC/3.0.20 "$url" | sha256sum)" "$(sha256sum <"$work/film")"
  same "a part of $name" "$(curl -sSL -A VLC/3.0.20 -r 1000-1999 "$url" | sha256sum)" "$(tail -c +1001 "$work/film" | head -c 1000 | sha256sum)"
done
there=${there#302 }
code() { curl -sS "$1" | grep -oE '"code":[0-9]+'; }
same "another path" "$(code "${there/films/filmz}")" '"code":401'
same "another time" "$(code "${there}1")" '"code":401'
same "no signature" "$(code "${there%%\?*}")" '"code":401'
env "$(printf '%s' "$token" | rev)"
same "another token" "$(code "$there")" '"code":401'
echo "$checks checks"
