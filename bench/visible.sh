#!/usr/bin/env bash
# From a playback event until members see it, while a generator sends many: bench/visible.sh --rate 20000 --probes 200
# MILLRACE_BIN names a binary; without it one is built with optimization.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${MILLRACE_BIN:-}" ]; then
  cargo build --release --quiet --workspace --bin millrace
  MILLRACE_BIN="${CARGO_TARGET_DIR:-target}/release/millrace"
fi
exec python3 bench/visible/measure.py --binary "$MILLRACE_BIN" "$@"
