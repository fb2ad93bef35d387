#!/usr/bin/env bash
# Figures of the control plane: builds with optimization, then prints a table. Options are passed on:
# bench/control/run.sh --jobs 50
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --quiet -p millrace
exec python3 bench/control/measure.py --binary "${CARGO_TARGET_DIR:-target}/release/millrace" "$@"
