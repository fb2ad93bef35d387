#!/usr/bin/env bash
# q0 of Nexmark from JSON in a real Kafka, which it starts and stops: bench/job.sh --job-events 5000000
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap '"$here/../deploy/kafka/stop.sh" "$dir" >&2 || true; rm -rf "$dir"' EXIT
MILLRACE_TEST_KAFKA=$("$here/../deploy/kafka/start.sh" "$dir")
export MILLRACE_TEST_KAFKA
"$here/run.sh" --only job "$@"
