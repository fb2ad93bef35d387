#!/usr/bin/env bash
# Times Apache Flink on the Nexmark queries: one line of figures a query, separated by tabs, on standard output.
#
#   run.sh --events FOLDER [options]      FOLDER holds person.bin, auction.bin and bid.bin (README.md)
#
#   --queries "q0 q5"          which queries (all fifteen)
#   --backend hashmap          or rocksdb: where Flink keeps keyed state
#   --warmup 1                 part of the events that a first run in the same JVM reads, not reported; 0: no such run
#   --mini-batch auto          or how long Flink may gather rows of an unbounded aggregation ("2 s"); 0: every row at
#                              once; auto: 2 s for q15 and q17, else 0 (README.md says why)
#   --gc Parallel              or G1: the JVM's garbage collector
#   --heap 4g                  the JVM's heap; the events are outside it
#   --managed 512m             Flink's managed memory: RocksDB's, and the buffers of window aggregation
#   --explain true             Flink's plan of each query on standard error
#
# needs: mvn, a JDK of 17 or newer. Jars and classes are kept under ~/.cache/millrace/flink.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
texts=$here/../../processors/nexmark/queries

declare -A option=(
    [events]="" [queries]="q0 q1 q2 q5 q7 q8 q11 q14 q15 q16 q17 q18 q19 q21 q22" [backend]=hashmap
    [warmup]=1 [mini-batch]=auto [gc]=Parallel [heap]=4g [managed]=512m [explain]=false [texts]=$texts
)
while (($#)); do
    name=${1#--}
    if [[ $1 != --* || ! -v option[$name] || $# -lt 2 ]]; then
        echo "run.sh: what is \`$*\`? The options are: ${!option[*]}" >&2
        exit 2
    fi
    option[$name]=$2
    shift 2
done
[[ -n ${option[events]} ]] || { echo "run.sh: --events FOLDER is needed" >&2; exit 2; }

version=$(sed -n 's:.*<flink.version>\(.*\)</flink.version>.*:\1:p' "$here/pom.xml")
cache=${HOME}/.cache/millrace/flink/$version
sources=$(cat "$here/pom.xml" $(find "$here/src" -type f | sort) | sha256sum | cut -d' ' -f1)
if [[ $(cat "$cache/built" 2>/dev/null) != "$sources" ]]; then
    command -v mvn >/dev/null || { echo "run.sh: Maven (mvn) is needed to fetch Flink" >&2; exit 1; }
    rm -rf "$cache/classes"
    mvn -q -B -f "$here/pom.xml" prepare-package >&2
    echo "$sources" >"$cache/built"
fi

state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT

# What Flink's own start scripts open of the JDK.
opens=()
for package in java.lang java.net java.io java.nio java.text java.time java.util java.util.concurrent \
    java.util.concurrent.atomic java.util.concurrent.locks java.lang.reflect sun.nio.ch; do
    opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done

# Gathering should pay where many rows fold into few results.
mini_batch() {
    case ${option[mini-batch]}:$1 in
        auto:q15 | auto:q17) echo "2 s" ;;
        auto:*) echo 0 ;;
        *) echo "${option[mini-batch]}" ;;
    esac
}

printf 'query\tevents\twall_s\tcpu_s\tkeps_cpu\tkeps_wall\trss_mb\trows_out\n'
failed=0
for query in ${option[queries]}; do
    text=$here/queries/$query.sql
    [[ -f $text ]] || text=${option[texts]}/$query.sql
    if ! java -Xmx"${option[heap]}" -XX:+Use"${option[gc]}"GC "${opens[@]}" -Djava.io.tmpdir="$state" \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -cp "$cache/classes:$cache/lib/*" millrace.bench.Main \
        --query "$query" --sql "$text" --state "$state/checkpoints" --events "${option[events]}" \
        --backend "${option[backend]}" --warmup "${option[warmup]}" --mini-batch "$(mini_batch "$query")" \
        --managed "${option[managed]}" --explain "${option[explain]}"; then
        echo "run.sh: $query failed on Flink" >&2
        failed=1
    fi
    rm -rf "${state:?}"/*
done
exit $failed
