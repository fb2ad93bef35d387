#!/usr/bin/env bash
# Nexmark on the engine, in process; with `--flink` Apache Flink beside it on the same events.
#
#   bench/nexmark/run.sh                      every query for 25 s, then state, latency and JSON
#   bench/nexmark/run.sh --flink              the same, and Flink with the ratio of the two
#   bench/nexmark/run.sh sustained --queries q16 --rate 150    a rate of thousand events a second
#   bench/nexmark/run.sh queries --queries q5,q7 --events 2000000
#   bench/nexmark/run.sh state | latency | json   one part; --help lists the options of each
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --quiet -p millrace-plan -p millrace-state -p millrace-processors \
  -p millrace-nexmark -p millrace-bench-nexmark
bench=${CARGO_TARGET_DIR:-target}/release/millrace-bench-nexmark
events=${MILLRACE_BENCH_EVENTS:-4000000}

case ${1:-all} in
  all)
    "$bench" sustained --seconds "${MILLRACE_BENCH_SECONDS:-25}"
    "$bench" state
    "$bench" latency
    "$bench" json
    ;;
  --flink)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$bench" queries --events "$events" --tsv | tee "$folder/millrace.tsv"
    "$bench" queries --events "$events" --write-events "$folder/events"
    bench/flink/run.sh --events "$folder/events" | tee "$folder/flink.tsv"
    echo
    echo "thousand events a CPU-second: query, Millrace, Flink, ratio"
    join -t $'\t' <(tail -n +2 "$folder/millrace.tsv" | cut -f1,5 | sort) \
      <(grep -E '^q[0-9]' "$folder/flink.tsv" | cut -f1,5 | sort) |
      awk -F'\t' '{ printf "%s\t%d\t%d\t%.1f\n", $1, $2, $3, $2 / $3 }' | sort -V
    ;;
  *) exec "$bench" "$@" ;;
esac
