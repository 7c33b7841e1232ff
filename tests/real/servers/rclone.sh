#!/usr/bin/env bash
# `rclone serve s3` before a folder of files. A folder in it is a bucket.
server=rclone
get="go install github.com/rclone/rclone@latest"
# Debian's rclone is too old to serve S3.
binary() {
  local each
  for each in "$(go_bin)/rclone" "$(command -v rclone)"; do
    [ -x "$each" ] && "$each" serve s3 --help >/dev/null 2>&1 && echo "$each" && return
  done
}
launch() {
  mkdir -p "$dir/data/$bucket"
  exec "$program" serve s3 "$dir/data" --config /dev/null --addr "127.0.0.1:$port" --auth-key "$access_key,$secret_key"
}
bootstrap() { until_works signed GET "$bucket"; }
. "$(dirname "$0")/common.sh"
