#!/usr/bin/env bash
# Starts a single-node Apache Kafka (KRaft) and waits until it serves; prints HOST:PORT.
#
#   start.sh DIR [PORT]         DIR keeps data, log and pid; PORT defaults to a free one
#
# Beside the plain listener there is one with TLS and SASL/PLAIN: DIR/secured is its address, DIR/ca.pem the
# certificate to trust, DIR/password the password of the user `millrace`.
#
#   KAFKA_VERSION               default: that of fetch.sh
#   KAFKA_HEAP                  default: 512m
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${1:?usage: start.sh DIR [PORT]}"
jars="$("$here/fetch.sh" ${KAFKA_VERSION:+"$KAFKA_VERSION"})"
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"

if [[ -f "$dir/pid" ]] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
    echo "start.sh: already running (pid $(cat "$dir/pid")): $(cat "$dir/address")" >&2
    cat "$dir/address"
    exit 0
fi

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# A restart keeps its port, so that clients find it again.
port="${2:-}"
[[ -n "$port" || ! -f "$dir/address" ]] || port="$(sed 's/.*://' "$dir/address")"
[[ -n "$port" ]] || port="$(free_port)"
controller="$(free_port)"
secured="$(free_port)"

if [[ ! -f "$dir/ca.pem" ]]; then
    (umask 077 && head -c 18 /dev/urandom | base64 | tr -d '/+=\n' > "$dir/password")
    store=(-alias kafka -storetype PKCS12 -keystore "$dir/server.p12" -storepass:file "$dir/password")
    keytool -genkeypair "${store[@]}" -keyalg RSA -keysize 2048 -validity 3650 -dname CN=127.0.0.1 \
        -ext san=ip:127.0.0.1,dns:localhost 2>>"$dir/kafka.log"
    keytool -exportcert -rfc "${store[@]}" > "$dir/ca.pem" 2>>"$dir/kafka.log"
fi
password="$(cat "$dir/password")"

touch "$dir/server.properties" && chmod 600 "$dir/server.properties"
cat > "$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://127.0.0.1:$secured,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://127.0.0.1:$secured
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
ssl.keystore.type=PKCS12
ssl.keystore.location=$dir/server.p12
ssl.keystore.password=$password
ssl.key.password=$password
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_millrace="$password";
log.dirs=$dir/data
# Tests write records as old as their events; the default of 7 days counts from a record's own time.
log.retention.ms=-1
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=500
PROPERTIES

java_options=(-Xmx"${KAFKA_HEAP:-512m}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
    -Dlog4j2.level=WARN -cp "$jars/*")
if [[ ! -f "$dir/data/meta.properties" ]]; then
    cluster="$(java "${java_options[@]}" kafka.tools.StorageTool random-uuid 2>>"$dir/kafka.log")"
    java "${java_options[@]}" kafka.tools.StorageTool format -t "$cluster" \
        -c "$dir/server.properties" >>"$dir/kafka.log" 2>&1
fi
nohup java "${java_options[@]}" kafka.Kafka "$dir/server.properties" >>"$dir/kafka.log" 2>&1 &
echo $! > "$dir/pid"
echo "127.0.0.1:$port" > "$dir/address"
echo "127.0.0.1:$secured" > "$dir/secured"

for _ in $(seq 240); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        cat "$dir/address"
        exit 0
    fi
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.25
done
echo "start.sh: Kafka did not come up; the end of $dir/kafka.log:" >&2
tail -n 20 "$dir/kafka.log" >&2
"$here/stop.sh" "$dir" >&2 || true
exit 1
