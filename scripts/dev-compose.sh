# shellcheck shell=bash disable=SC2154
# Part of ./dev: the services in a container engine. Sets `compose`, the command with its arguments.

briefly() { # a daemon that accepts and never answers would hang us for ever
  if command -v timeout >/dev/null; then timeout 5 "$@"; else "$@"; fi >/dev/null 2>&1
}

# Finds an engine whose daemon answers and that has compose. Otherwise `compose_obstacle` says what is missing.
compose_find() {
  local client
  compose_obstacle="neither docker nor podman is installed"
  for client in docker podman; do
    command -v "$client" >/dev/null || continue
    if ! briefly "$client" info; then
      compose_obstacle="$client is installed, but its daemon does not answer"
    elif briefly "$client" compose version; then compose=("$client" compose); return 0
    elif briefly "$client-compose" version; then compose=("$client-compose"); return 0
    else compose_obstacle="$client runs, but 'compose' is missing (package $client-compose or docker-compose-plugin)"; fi
  done
  return 1
}

compose_run() {
  local conf
  [ "${#compose[@]}" -gt 0 ] || compose_find || die "the services of this checkout run in containers, and $compose_obstacle" \
    "start the engine; or force the other kind: MILLSTREAM_DEV_ENGINE=tree ./dev up"
  conf=$(printf 'listener 1883 0.0.0.0\npersistence_location /mosquitto/data/\n'; cat "$repo/docker/mosquitto.conf")
  MILLSTREAM_DEV_PORT_PG=${ports[pg]} MILLSTREAM_DEV_PORT_LEGACY=${ports[pg-legacy]} \
    MILLSTREAM_DEV_PORT_MOSQUITTO=${ports[mosquitto]} MILLSTREAM_DEV_MOSQUITTO_CONF=$conf \
    "${compose[@]}" -p "millstream-$checkout_id" -f "$repo/docker/compose.yaml" "$@"
}

# The port answers before the server does (the engine's proxy holds it), so ask inside the container.
compose_wait() { # service command...
  local service=$1 i
  shift
  for ((i = 0; i < 240; i++)); do
    if compose_run exec -T "$service" "$@" </dev/null >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  compose_run logs --tail 10 "$service" >&2 || true
  die "$service does not answer in its container (its last lines are above)" "./dev down --purge starts afresh"
}

compose_up() {
  local log=$local_dir/compose.log
  compose_run up -d >"$log" 2>&1 </dev/null 9>&- || {
    tail -n 10 "$log" >&2
    die "the container engine could not start the services (its messages are above)" \
      "if a port is taken: ./dev down, rm .dev/ports, ./dev up"
  }
  # -h: while the image prepares its data, a temporary server answers on the socket only.
  compose_wait pg psql -h 127.0.0.1 -U postgres -d millstream -c 'create extension if not exists timescaledb'
  compose_wait pg-legacy psql -h 127.0.0.1 -U postgres -d legacy -c 'select 1'
  compose_wait mosquitto mosquitto_pub -h 127.0.0.1 -t millstream/ready -n
}
