#!/usr/bin/env bash
# setup.sh: makes a Python environment with Schemathesis once; prints its command.
#
#   MILLRACE_SCHEMATHESIS_CACHE   where it goes (default: ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/schemathesis)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${MILLRACE_SCHEMATHESIS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/schemathesis}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
# The copy of the requirements is written last, so that half an installation is not taken for a whole.
if ! cmp -s "$here/requirements.txt" "$cache/requirements.txt"; then
    python3 -m venv --clear "$cache/python" >&2
    "$cache/python/bin/pip" install --quiet --no-input --disable-pip-version-check \
        -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$cache/requirements.txt"
fi
echo "$cache/python/bin/st"
