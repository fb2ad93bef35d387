#!/usr/bin/env bash
# Builds with optimization and prints the table. Options are passed on: bench/run.sh --only delta
#
#   MILLRACE_TEST_KAFKA   HOST:PORT of a Kafka to use instead of an embedded broker
#   MILLRACE_PYTHON       a Python with duckdb, for the scan beside ours
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet -p millrace -p millrace-bench
target=${CARGO_TARGET_DIR:-target}/release
exec "$target/millrace-bench" --binary "$target/millrace" "$@"
