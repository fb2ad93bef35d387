#!/usr/bin/env bash
# Steering over the real prefixes, in process and over HTTP: bench/steering.sh --seconds 10 --connections 8
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet -p millrace-steering --example steering_load -- "$@"
