#!/usr/bin/env bash
# How long clients are sent to an appliance that died: builds with optimization, then prints a table.
# Options are passed on: bench/steering_kill/run.sh --kills 40 --rate 200
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --quiet --workspace --bin millrace
exec python3 bench/steering_kill/measure.py --binary "${CARGO_TARGET_DIR:-target}/release/millrace" "$@"
