#!/usr/bin/env bash
# Gets Apache Kafka with everything it needs as Maven artifacts; prints the folder of jars.
#
#   fetch.sh [VERSION]          needs: mvn, a JDK of 17 or newer
#   MILLRACE_KAFKA_CACHE        where the jars go (default: ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/kafka)
set -euo pipefail

version="${1:-4.1.1}"
cache="${MILLRACE_KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/kafka}"
target="$cache/$version"

if [[ -f "$target/complete" ]]; then
    echo "$target"
    exit 0
fi
command -v mvn >/dev/null || { echo "fetch.sh: Maven (mvn) is needed to fetch Kafka" >&2; exit 1; }

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId>
  <artifactId>kafka-fetch</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
POM

mkdir -p "$target"
# Maven talks on stdout; ours carries the folder only.
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$target" >&2
[[ -n "$(find "$target" -name "kafka_2.13-$version.jar")" ]] \
    || { echo "fetch.sh: Maven left no kafka_2.13-$version.jar in $target" >&2; exit 1; }
# Written last, so that an interrupted download is not taken for a whole one.
touch "$target/complete"
echo "$target"
