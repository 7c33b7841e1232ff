#!/usr/bin/env bash
# /metrics before a real Prometheus: it reads davmux as OpenMetrics, with the types of its families and odd names in labels,
# and each panel of the dashboard asks a question that it takes. Arguments: the binary, a folder to work in.
set -uo pipefail
binary=$(realpath "$1") work=$2/metrics here=$(cd "$(dirname "$0")/../.." && pwd)
command -v prometheus >/dev/null || { echo "prometheus is not installed (Debian package prometheus)"; exit 77; }
rm -rf "$work" && mkdir -p "$work/files" && cd "$work" || exit 1
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done' EXIT
cat >mounts.yaml <<YAML
version: 1
server: { listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0", anonymous: read-write, state_dir: state }
mounts:
  - { path: /files, driver: local, root_folder_path: ./files }
  - { path: '/odd "name"', driver: local, root_folder_path: ./files }
YAML
"$binary" serve mounts.yaml >out 2>log &
pids+=($!)
for _ in $(seq 150); do grep -q administration out && break; sleep 0.2; done
url=$(sed -n 's,^listening on \(http://.*\)/$,\1,p' out) admin=$(sed -n 's,^administration on http://\(.*\)/$,\1,p' out)
[ -n "$admin" ] || { cat out log; exit 1; }
curl -sS -o /dev/null -T log "$url/files/a" && curl -sS -o /dev/null -X PROPFIND "$url/files/" && curl -sS -o /dev/null "$url/files/a" || exit 1
curl -sS "http://$admin/metrics" >page || exit 1
tail -n 1 page | grep -qx "# EOF" || { cat page; exit 1; }
printf 'global: { scrape_interval: 1s }\nscrape_configs: [{ job_name: davmux, static_configs: [{ targets: ["%s"] }] }]\n' "$admin" >prometheus.yml
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="127.0.0.1:$port" >prometheus.log 2>&1 &
pids+=($!)
ask() { curl -sS -G "http://127.0.0.1:$port/api/v1/$1" "${@:2}"; }
for _ in $(seq 150); do
  ask query --data-urlencode 'query=davmux_http_requests_total' 2>/dev/null | grep -q PROPFIND && break
  sleep 0.2
done
# A counter that was not read as one has another type here.
ask metadata | python3 -c '
import json, sys
types = {name: kinds[0]["type"] for name, kinds in json.load(sys.stdin)["data"].items()}
wanted = {"davmux_http_requests": "counter", "davmux_http_request_duration_seconds": "histogram", "davmux_mount_up": "gauge"}
wrong = {name: types.get(name, types.get(name + "_total")) for name, kind in wanted.items() if types.get(name, types.get(name + "_total")) != kind}
sys.exit(f"read as other types: {wrong}" if wrong else 0)' || { cat prometheus.log; exit 1; }
# Any fault of the page makes all of it unread.
ask query --data-urlencode 'query=up' | grep -q '"1"' || { ask targets; exit 1; }
ask query --data-urlencode 'query=davmux_mount_up' | grep -qF '/odd \"name\"' || { cat page; exit 1; }
asked=0
while IFS= read -r query; do
  ask query --data-urlencode "query=$query" | grep -q '"status":"success"' || { echo "Prometheus refuses: $query"; exit 1; }
  asked=$((asked + 1))
done < <(python3 - "$here/docs/grafana-dashboard.json" <<'PYTHON'
import json, sys
for panel in json.load(open(sys.argv[1]))["panels"]:
    for target in panel.get("targets", []):
        print(target["expr"].replace("$__rate_interval", "1m").replace("$job", ".*").replace("$mount", ".*"))
PYTHON
)
[ "$asked" -gt 10 ] || { echo "the dashboard has $asked queries"; exit 1; }
echo "no fault in $(grep -c '^# TYPE' page) families, $asked queries of the dashboard answered"
