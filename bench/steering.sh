#!/usr/bin/env bash
# Steering over the real prefixes, in process and over HTTP: bench/steering.sh --seconds 10 --connections 8
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --workspace --example steering_load
exec "${CARGO_TARGET_DIR:-target}/release/examples/steering_load" "$@"
