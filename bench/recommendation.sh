#!/usr/bin/env bash
# Pages over HTTP at a fixed rate, then as fast as it goes: bench/recommendation.sh --seconds 10 --members 100000 --rate 5000
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --workspace --example load
run=("${CARGO_TARGET_DIR:-target}/release/examples/load")
# Neighbours' programs take the cores for milliseconds at a time; the priority of who may have it.
if nice -n -10 true 2> /dev/null; then run=(nice -n -10 "${run[@]}"); fi
"${run[@]}" "$@"
echo
"${run[@]}" "$@" --rate 0
