#!/usr/bin/env bash
# versitygw before a folder of files. A folder in it is a bucket.
server=versitygw
get="go install github.com/versity/versitygw/cmd/versitygw@latest"
binary() { command -v versitygw || echo "$(go_bin)/versitygw"; }
launch() {
  mkdir -p "$dir/data/$bucket"
  export ROOT_ACCESS_KEY=$access_key ROOT_SECRET_KEY=$secret_key
  exec "$program" --port "127.0.0.1:$port" --health /health --region "$region" posix "$dir/data"
}
bootstrap() { until_works healthy health; }
. "$(dirname "$0")/common.sh"
