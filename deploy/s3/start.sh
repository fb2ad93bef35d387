#!/usr/bin/env bash
# start.sh DIR PORT: serves DIR/buckets as S3 on 127.0.0.1:PORT with the bucket `millrace`; pid and log in DIR.
set -euo pipefail
dir=${1:?usage: start.sh DIR PORT}
port=${2:?usage: start.sh DIR PORT}
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace-target}/s3
mkdir -p "$dir/buckets/millrace"
CARGO_TARGET_DIR=$target cargo build --quiet --locked --manifest-path "$here/Cargo.toml"
"$target/debug/millrace-s3" "$dir/buckets" "127.0.0.1:$port" >"$dir/address" 2>"$dir/log" &
echo $! >"$dir/pid"
for _ in $(seq 100); do
  if [ -s "$dir/address" ]; then
    echo "S3 on http://$(cat "$dir/address"), bucket millrace, key millrace / millrace-secret"
    exit 0
  fi
  kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
  sleep 0.1
done
echo "millrace-s3 did not start:" >&2
cat "$dir/log" >&2
exit 1
