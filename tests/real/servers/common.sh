# What the scripts of this folder share. Each of them says `server` (its name), `get` (how it is installed) and the
# functions `binary`, `launch` and `bootstrap`, and then comes here:
#   bash tests/real/servers/NAME.sh start DIR   starts it, with its data below DIR, and prints how to reach it, as lines of
#                                               an environment file; status 77: it is not installed, and why
#   bash tests/real/servers/NAME.sh stop DIR    ends what was started there
# A server listens on loopback, on ports that the system chose, and is ended by its process id.
set -uo pipefail

# Of the form that Garage asks for; the others take any.
access_key=GK00000000000000000000dada
secret_key=00000000000000000000000000000000000000000000000000000000d0d0dada
bucket=davmux-test
region=us-east-1

# So many free ports, all different.
free_ports() {
  python3 - "$1" <<'PY'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))
PY
}

# Whether a path of the endpoint answers at all (any status), or with a success where it says so.
answers() { curl -s -o /dev/null "http://127.0.0.1:$port/${1:-}"; }
healthy() { curl -sf -o /dev/null "http://127.0.0.1:$port/$1"; }

# A signed request without a body.
signed() {
  curl -sf -o /dev/null --aws-sigv4 "aws:amz:$region:s3" --user "$access_key:$secret_key" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -X "$1" "http://127.0.0.1:$port/$2"
}

# Tries a command until it succeeds, for 60 s, as long as the server lives.
until_works() {
  for _ in $(seq 300); do
    "$@" && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

stop() {
  [ -s "$dir/pid" ] || return 0
  local pid
  pid=$(cat "$dir/pid")
  kill "$pid" 2>/dev/null
  # It is no child of this shell; a server that does not end within 10 s is killed.
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  kill -9 "$pid" 2>/dev/null
  rm -f "$dir/pid"
}

start() {
  program=$(binary)
  if [ -z "$program" ] || [ ! -x "$program" ]; then
    echo "$server is not installed ($get)" >&2
    exit 77
  fi
  mkdir -p "$dir/data"
  read -r port ports < <(free_ports 8)
  launch >"$dir/log" 2>&1 &
  pid=$!
  echo "$pid" >"$dir/pid"
  if ! bootstrap >>"$dir/log" 2>&1; then
    echo "$server did not start:" >&2
    tail -20 "$dir/log" >&2
    stop
    exit 1
  fi
  cat <<ENV
DAVMUX_S3_PROVIDER=$server
DAVMUX_S3_ENDPOINT=http://127.0.0.1:$port
DAVMUX_S3_BUCKET=$bucket
DAVMUX_S3_ACCESS_KEY_ID=$access_key
DAVMUX_S3_SECRET_ACCESS_KEY=$secret_key
DAVMUX_S3_REGION=$region
ENV
}

# Where `go install` puts its programs.
go_bin() { command -v go >/dev/null && echo "$(go env GOPATH)/bin"; }

[ $# = 2 ] || { echo "usage: $0 start|stop DIR" >&2; exit 2; }
mkdir -p "$2" || exit 1
dir=$(cd "$2" && pwd)
"$1"
