#!/usr/bin/env bash
# Recommendation on MovieLens 100k beside item-kNN and popularity: bench/movielens.sh [u.data]
#
# Without a path the data is taken from a package that ships it (its terms forbid passing it on) and kept in a cache.
# MILLRACE_BINARY and MILLRACE_PAGES name programs that are built already.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/millrace-movielens
mkdir -p "$cache"
python=${MILLRACE_PYTHON:-$cache/venv/bin/python}
if ! "$python" -c 'import numpy' 2> /dev/null; then
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet numpy
  python=$cache/venv/bin/python
fi
data=${1:-$cache/u.data}
if [[ ! -e $data && $# -eq 0 ]]; then
  "$python" -m pip download --quiet --no-deps --dest "$cache" recbole==1.2.1
  unzip -p "$cache"/recbole-1.2.1-*.whl recbole/dataset_example/ml-100k/ml-100k.inter | tail -n +2 > "$data"
fi
if [[ -z ${MILLRACE_BINARY:-} ]]; then
  cargo build --release --quiet --workspace --bin millrace
  MILLRACE_BINARY=${CARGO_TARGET_DIR:-target}/release/millrace
fi
if [[ -z ${MILLRACE_PAGES:-} ]]; then
  cargo build --release --quiet --workspace --example movielens
  MILLRACE_PAGES=${CARGO_TARGET_DIR:-target}/release/examples/movielens
fi
exec "$python" bench/movielens.py "$data" "$MILLRACE_BINARY" "$MILLRACE_PAGES"
