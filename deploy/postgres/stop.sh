#!/usr/bin/env bash
# Stops the PostgreSQL that start.sh started in DIR and waits for it; its data stays.
#
#   stop.sh DIR
set -euo pipefail

dir="${1:?usage: stop.sh DIR}"
[[ -f "$dir/pid" ]] || { echo "stop.sh: nothing was started in $dir" >&2; exit 0; }
pid="$(cat "$dir/pid")"
# Fast: whoever is connected is cut off, and what was committed is kept.
kill -INT "$pid" 2>/dev/null || true
for _ in $(seq 120); do
    if ! kill -0 "$pid" 2>/dev/null; then
        rm -f "$dir/pid"
        exit 0
    fi
    sleep 0.25
done
echo "stop.sh: $pid did not stop within 30 s; killing it" >&2
kill -9 "$pid" 2>/dev/null || true
rm -f "$dir/pid"
