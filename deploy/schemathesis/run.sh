#!/usr/bin/env bash
# run.sh URL TOKEN [OPTION…]: tests a control plane against its own OpenAPI document. Fails on any 5xx, on
# any answer that the document does not have, and on wrong requests that are taken.
#
#   SEED       what is tried; the same seed tries the same (default: 4)
#   EXAMPLES   tries per operation (default: 30)
#
# Further options go to Schemathesis. It changes what it finds: use an instance of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
url=${1:?url of the control plane} token=${2:?token of an admin}
shift 2
st=$("$here/setup.sh")
declare_it() {
    curl --silent --show-error --fail --output /dev/null --request PUT "$url/v1/namespaces/default/$1/plays" \
        --header "Authorization: Bearer $token" --header "Content-Type: application/json" --data "$2"
}
declare_it streams '{"kind": "Stream", "metadata": {"name": "plays"}, "spec": {"format": "json",
    "columns": [{"name": "id", "type": "string"}, {"name": "member", "type": "int64"}]}}'
declare_it routes '{"kind": "Route", "metadata": {"name": "plays"}, "spec": {"from": "plays",
    "to": {"table": "plays"}}}'
declare_it jobs '{"kind": "Job", "metadata": {"name": "plays"}, "spec":
    {"sql": "INSERT INTO members SELECT member FROM plays"}}'
# Not checked: that every well-formed request is taken, for a well-formed name may name nothing, and
# well-formed SQL is beyond a generator; and answers to requests without a token, for after twenty of them
# the address gets 429. Tokens are not removed, for that would end the run.
cd "$(mktemp -d)"
failed=0
for names in deep wide; do
    "$st" --no-color --config-file "$here/$names.toml" run "$url/v1/openapi.json" \
        --header "Authorization: Bearer $token" --checks all \
        --exclude-checks positive_data_acceptance,missing_required_header,ignored_auth \
        --exclude-operation-id deleteToken \
        --phases examples,coverage,fuzzing,stateful \
        --max-examples "${EXAMPLES:-30}" --seed "${SEED:-4}" \
        --request-timeout 75 --continue-on-failure --suppress-health-check all "$@" || failed=1
done
exit $failed
