#!/usr/bin/env bash
# What the clients of this folder are run on: davmux with a password before a local folder and two buckets.
#   bash tests/real/clients/stage.sh start DIR   starts it, with its data below DIR, and prints how to reach it, as lines of
#                                                an environment file
#   bash tests/real/clients/stage.sh stop DIR    ends what was started there
# The buckets are those of `davmux demo`: an S3 server in process, which refuses what AWS refuses (a link together with
# an Authorization header, a HEAD of a link for GET).
set -uo pipefail
[ $# = 2 ] || { echo "usage: $0 start|stop DIR" >&2; exit 2; }
mkdir -p "$2" || exit 1
dir=$(cd "$2" && pwd)
binary=${DAVMUX:-target/release/davmux}

stop() {
  local name pid
  for name in serve demo; do
    [ -s "$dir/$name.pid" ] || continue
    pid=$(cat "$dir/$name.pid")
    kill "$pid" 2>/dev/null
    # They are no children of this shell; what does not end within 10 s is killed.
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null
    rm -f "$dir/$name.pid"
  done
}

# Starts davmux as `name` with these arguments and leaves its URL in `url`.
launch() {
  local name=$1 pid
  shift
  "$binary" "$@" --listen 127.0.0.1:0 </dev/null >"$dir/$name.out" 2>"$dir/$name.log" &
  pid=$!
  echo "$pid" >"$dir/$name.pid"
  for _ in $(seq 300); do
    url=$(grep -ohE 'http://127\.0\.0\.1:[0-9]+' "$dir/$name.out" | head -1)
    [ -n "$url" ] && curl -sS -o /dev/null -X OPTIONS "$url" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "davmux $1 did not start:" >&2
  tail -20 "$dir/$name.log" >&2
  stop
  exit 1
}

start() {
  launch demo demo --dir "$dir/demo"
  # The demo's own mounts file says how its buckets are reached.
  of_demo() { grep -m1 -E "^ +$1:" "$dir/demo/mounts.yaml" | sed -E 's/^ +[a-z_]+: *//'; }
  local password='se+same%:1'
  bucket() {
    cat <<YAML
  - path: /$1
    driver: s3
    provider: minio
    bucket: $2
    endpoint: $(of_demo endpoint)
    region: $(of_demo region)
    access_key_id: $(of_demo access_key_id)
    secret_access_key: $(of_demo secret_access_key)
    read: $3
YAML
  }
  mkdir -p "$dir/folder"
  (
    umask 077
    cat >"$dir/mounts.yaml" <<YAML
version: 1
server: { state_dir: state }
users:
  - { name: tester, password: "$password", access: read-write }
mounts:
  - { path: /local, driver: local, root_folder_path: folder }
$(bucket bucket films auto)
$(bucket relayed archive relay)
YAML
  )
  launch serve serve "$dir/mounts.yaml"
  cat <<ENV
DAV_SERVER=$url
DAV_USER=tester
DAV_PASSWORD=$password
DAV_LOG=$dir/serve.log
ENV
}

"$1"
