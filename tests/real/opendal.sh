#!/usr/bin/env bash
# The contract of drivers on opendal's further services, against real servers of this machine: WebDAV (rclone), SFTP (OpenSSH),
# Azure Blob (Azurite), Google Cloud Storage (fake-gcs-server). What is not installed is skipped, and said.
#   opendal.sh [SERVICE...]     all four, or the named ones
# Programs are looked for in PATH, in $(go env GOPATH)/bin and where AZURITE, FAKE_GCS and SSHD say.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) pids=() failed=0
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done; rm -r "$work"' EXIT
gobin=$(go env GOPATH 2>/dev/null)/bin
free() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
start() { "$@" >"$work/$service.log" 2>&1 & pids+=($!); }
up() { for _ in $(seq 400); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; echo "$service: no server"; return 1; }
skip() { echo "$service: skipped, $1"; }
run() {
  if env "$@" cargo test -q -p davmux-driver-opendal --features "$service" --test services "$service::" -- ${skipped:+--skip "$skipped"} >"$work/$service.out" 2>&1
  then echo "$service: $(grep -o '[0-9]* passed' "$work/$service.out" | tail -1)"
  else failed=1; echo "$service: FAILED"; grep -E '^test .*FAILED|panicked|^error|expected' -A4 "$work/$service.out" | head -${LINES_SHOWN:-80}; fi
}
for service in "${@:-webdav sftp azblob gcs}"; do for service in $service; do
  port=$(free) skipped=
  case $service in
  webdav)
    rclone=$(command -v "$gobin/rclone" || command -v rclone) || { skip "no rclone"; continue; }
    # Not --dir-cache-time 0: rclone's timer for a folder's cache then runs without a pause and takes the processor.
    # One case at a time: each has a runtime of its own, and a pooled connection ends with the runtime that it was made in.
    mkdir -p "$work/dav" && start "$rclone" serve webdav "$work/dav" --addr "127.0.0.1:$port" --no-unicode-normalization --config /dev/null
    skipped=webdav::conditions::of_many_absent_uploads_one_wins
    up "$port" && echo "webdav: without $skipped: rclone answers 500 where two files are moved to one name at a time" &&
      run "DAVMUX_TEST_WEBDAV=http://127.0.0.1:$port" "RUST_TEST_THREADS=1" ;;
  sftp)
    sshd=${SSHD:-/usr/sbin/sshd} && [ -x "$sshd" ] && command -v ssh >/dev/null || { skip "no sshd or ssh"; continue; }
    ssh-keygen -q -t ed25519 -N '' -f "$work/host" && ssh-keygen -q -t ed25519 -N '' -f "$work/key" && cp "$work/key.pub" "$work/authorized"
    mkdir -p /run/sshd 2>/dev/null
    printf '%s\n' "ListenAddress 127.0.0.1:$port" "HostKey $work/host" "AuthorizedKeysFile $work/authorized" "PidFile none" \
      "StrictModes no" "UsePAM no" "PasswordAuthentication no" "PermitRootLogin prohibit-password" "MaxStartups 200" "MaxSessions 200" \
      "Subsystem sftp internal-sftp" >"$work/sshd.conf"
    start "$sshd" -D -e -f "$work/sshd.conf"
    up "$port" && run "DAVMUX_TEST_SFTP=ssh://127.0.0.1:$port" "DAVMUX_TEST_SFTP_USER=$(id -un)" "DAVMUX_TEST_SFTP_KEY=$work/key" "RUST_TEST_THREADS=4" ;;
  azblob)
    azurite=${AZURITE:-$(command -v azurite-blob)} && [ -n "$azurite" ] || { skip "no azurite-blob (npm install azurite)"; continue; }
    # An account of our own: Azurite's is known to everybody.
    account=davmuxtest key=$(printf 'a fixture key, which is no secret' | base64)
    mkdir -p "$work/az" && start env "AZURITE_ACCOUNTS=$account:$key" "$azurite" --silent --skipApiVersionCheck --disableTelemetry \
      --blobHost 127.0.0.1 --blobPort "$port" --location "$work/az"
    up "$port" || continue
    python3 - "$port" "$account" "$key" <<'P' || { echo "azblob: no container"; failed=1; continue; }
import base64, datetime, hashlib, hmac, sys, urllib.request
port, account, key = sys.argv[1:]
date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
text = "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2021-08-06\n/%s/%s/fixture\nrestype:container" % (date, account, account)
sign = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request("http://127.0.0.1:%s/%s/fixture?restype=container" % (port, account), method="PUT",
    headers={"x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": "SharedKey %s:%s" % (account, sign)})
urllib.request.urlopen(request)
P
    run "DAVMUX_TEST_AZBLOB=http://127.0.0.1:$port/$account" "DAVMUX_TEST_AZBLOB_ACCOUNT=$account" "DAVMUX_TEST_AZBLOB_KEY=$key" ;;
  gcs)
    gcs=${FAKE_GCS:-$(command -v "$gobin/fake-gcs-server" || command -v fake-gcs-server)} && [ -n "$gcs" ] || { skip "no fake-gcs-server"; continue; }
    start "$gcs" -scheme http -host 127.0.0.1 -port "$port" -backend memory -public-host "127.0.0.1:$port" -external-url "http://127.0.0.1:$port"
    up "$port" && curl -sf -X POST "http://127.0.0.1:$port/storage/v1/b?project=p" -H 'content-type: application/json' -d '{"name":"fixture"}' >/dev/null &&
      skipped=gcs::writing::a_large_file_in_odd_chunks_arrives && echo "gcs: without $skipped: fake-gcs-server has no XML multipart upload" &&
      run "DAVMUX_TEST_GCS=http://127.0.0.1:$port" ;;
  *) echo "$service: not known"; failed=1 ;;
  esac
done; done
exit $failed
