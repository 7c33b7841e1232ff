#!/usr/bin/env bash
# Garage on one node, which lays itself out and makes the key and the bucket.
server=garage
get="cargo install garage --locked"
binary() { command -v garage || echo "${CARGO_HOME:-$HOME/.cargo}/bin/garage"; }
launch() {
  set -- $ports
  cat >"$dir/garage.toml" <<TOML
metadata_dir = "$dir/data/meta"
data_dir = "$dir/data/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$1"
rpc_public_addr = "127.0.0.1:$1"
rpc_secret = "$(printf '%064d' 7)"
[s3_api]
s3_region = "$region"
api_bind_addr = "127.0.0.1:$port"
TOML
  export GARAGE_DEFAULT_ACCESS_KEY=$access_key GARAGE_DEFAULT_SECRET_KEY=$secret_key GARAGE_DEFAULT_BUCKET=$bucket
  exec "$program" -c "$dir/garage.toml" server --single-node --default-bucket
}
bootstrap() { until_works signed GET "$bucket"; }
. "$(dirname "$0")/common.sh"
