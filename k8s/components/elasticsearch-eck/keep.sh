# Says once an hour where snapshots go and when they are made: to say it again changes nothing.
set -eu
put() {
  curl --fail-with-body --silent --show-error --cacert /ca/ca.crt --config /user/curl -X PUT -H 'Content-Type: application/json' \
    --data "@/keeper/$2" "https://tocsin-es-http:9200/$1"
}
printf 'user = "%s:%s"\n' "$(cat /secret/username)" "$(cat /secret/password)" > /user/curl
put _snapshot/tocsin repository.json
put _slm/policy/tocsin snapshots.json
