#!/usr/bin/env bash
# stop.sh DIR: stops the server that start.sh DIR started. The data stays.
set -euo pipefail
dir=${1:?usage: stop.sh DIR}
if [ -f "$dir/pid" ]; then
  kill "$(cat "$dir/pid")" 2>/dev/null || true
  rm -f "$dir/pid" "$dir/address"
fi
