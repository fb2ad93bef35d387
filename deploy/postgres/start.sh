#!/usr/bin/env bash
# Starts a PostgreSQL server for tests and waits until it serves; prints its URL. It survives kills, but no power cuts:
# it does not wait for the disk.
#
#   start.sh DIR [PORT]         DIR keeps data, log and pid; PORT defaults to a free one
#
# It listens on 127.0.0.1 only. PostgreSQL refuses to run as root; root runs it as the user of POSTGRES_USER.
#
#   POSTGRES_BIN                folder of initdb and postgres (default: the newest of /usr/lib/postgresql, else PATH)
#   POSTGRES_USER               whom root runs it as          (default: postgres)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${1:?usage: start.sh DIR [PORT]}"
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"

if [[ -f "$dir/pid" ]] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
    echo "start.sh: already running (pid $(cat "$dir/pid"))" >&2
    cat "$dir/url"
    exit 0
fi

bin="${POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}"
bin="${bin:-$(dirname "$(command -v initdb)")}"
[[ -x "$bin/initdb" ]] || { echo "start.sh: initdb is not in ${bin:-PATH}" >&2; exit 1; }

# The server's own folder: its user may enter nothing else of DIR.
as=()
mkdir -p "$dir/server"
if [[ "$(id -u)" = 0 ]]; then
    user="${POSTGRES_USER:-postgres}"
    as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
    chown "$user" "$dir/server"
    "${as[@]}" test -x "$dir/server" ||
        { echo "start.sh: $user cannot enter $dir; let others enter the folders above it" >&2; exit 1; }
fi

# A restart keeps its port and password, so that clients find it again.
port="${2:-}"
[[ -n "$port" || ! -f "$dir/port" ]] || port="$(cat "$dir/port")"
[[ -n "$port" ]] ||
    port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
cd "$dir/server"
if [[ ! -f "$dir/password" ]]; then
    (umask 077 && head -c 18 /dev/urandom | base64 | tr -d '/+=\n' > "$dir/password")
fi
if [[ ! -f "$dir/server/data/PG_VERSION" ]]; then
    # The server's user reads it once.
    "${as[@]}" sh -c 'umask 077 && cat > password' < "$dir/password"
    "${as[@]}" "$bin/initdb" --pgdata "$dir/server/data" --username millrace --auth scram-sha-256 \
        --pwfile "$dir/server/password" --encoding UTF8 --locale C.UTF-8 >"$dir/postgres.log" 2>&1 ||
        { tail -n 20 "$dir/postgres.log" >&2; exit 1; }
    rm "$dir/server/password"
fi
nohup "${as[@]}" "$bin/postgres" -D "$dir/server/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c max_connections=300 -c fsync=off >>"$dir/postgres.log" 2>&1 &
echo $! > "$dir/pid"
echo "$port" > "$dir/port"
(umask 077 && echo "postgres://millrace:$(cat "$dir/password")@127.0.0.1:$port/postgres" > "$dir/url")

for _ in $(seq 120); do
    if "$bin/pg_isready" --quiet --host 127.0.0.1 --port "$port"; then
        cat "$dir/url"
        exit 0
    fi
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.25
done
echo "start.sh: PostgreSQL did not come up; the end of $dir/postgres.log:" >&2
tail -n 20 "$dir/postgres.log" >&2
"$here/stop.sh" "$dir" >&2 || true
exit 1
