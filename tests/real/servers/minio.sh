#!/usr/bin/env bash
# MinIO on one folder. A folder in its data folder is a bucket.
server=minio
get="go install github.com/minio/minio@latest"
binary() { command -v minio || echo "$(go_bin)/minio"; }
launch() {
  mkdir -p "$dir/data/$bucket"
  export MINIO_ROOT_USER=$access_key MINIO_ROOT_PASSWORD=$secret_key
  exec "$program" server --address "127.0.0.1:$port" --console-address 127.0.0.1:0 "$dir/data"
}
bootstrap() { until_works healthy minio/health/live; }
. "$(dirname "$0")/common.sh"
