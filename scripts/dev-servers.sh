# shellcheck shell=bash disable=SC2154,SC2016
# Part of ./dev: the servers that run from the private tree. What makes this longer than three start
# commands is that a crash test kills them: whatever is left behind, the next `up` has to cope.

# A process counts as ours and alive only if it is no zombie and has the path we gave it as an argument.
# `kill -0` and `pg_ctl status` say yes to zombies, which stay for seconds in a container, and to a
# stranger that got a reused pid.
live() { # pid argument
  local pid=${1:-} stat arg
  [[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
  { read -r stat < "/proc/$pid/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  case ${stat:0:1} in Z|X) return 1 ;; esac
  while IFS= read -r -d '' arg; do
    [ "$arg" != "$2" ] || return 0
  done 2>/dev/null < "/proc/$pid/cmdline"
  return 1
}

pid_of() { # service: prints its pid if it is up
  local file pid='' mark
  case $1 in
    pg|pg-legacy) file=$state/$1/postmaster.pid mark=$state/$1 ;;
    mosquitto) file=$state/mosquitto.pid mark=$state/mosquitto.conf ;;
  esac
  { read -r pid < "$file"; } 2>/dev/null || true
  if live "$pid" "$mark"; then echo "$pid"; else return 1; fi
}

# --- where the data lies ---------------------------------------------------------------------------------

# In the checkout, so that it goes when the checkout goes; but as root the servers run as nobody, who may
# not be able to get there (/root, a 0700 temporary folder).
state_ready() {
  local owner
  owner=$(stat -c %U "$local_dir")
  # Root could, but would leave files behind that the owner cannot remove.
  [ "$owner" = "$(id -un)" ] || die "$local_dir belongs to $owner, not to $(id -un)" \
    "run ./dev as $owner, or use a checkout of your own"
  if [ -z "$state" ]; then
    state=$local_dir
    if [ "${#as[@]}" -gt 0 ] && ! "${as[@]}" sh -c 'cd -- "$1"' - "$local_dir" 2>/dev/null; then
      state=/var/lib/millstream-dev/$checkout_id
      mkdir -p "$state" || die "cannot make $state" "check the free space and the rights of /var/lib"
      say "the data goes to $state: the servers run as nobody, who cannot enter $repo"
    fi
    printf '%s\n' "$state" > "$local_dir/state"
  fi
  mkdir -p "$state/log" "$state/mosquitto"
  [ "${#as[@]}" = 0 ] || chown nobody:nogroup "$state/mosquitto" "$state/log"
}

# --- Postgres --------------------------------------------------------------------------------------------

# Keep in step with docker/compose.yaml. Crash tests must be able to trust an acknowledged commit, hence
# the first three. A socket's lock file would outlive a killed server, hence none.
pg_settings() { # service port
  printf '%s\n' "port = $2" "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" \
    'fsync = on' 'full_page_writes = on' 'synchronous_commit = on' \
    'max_wal_size = 2GB' 'checkpoint_timeout = 15min' 'max_connections = 200' 'jit = off' \
    "timezone = 'UTC'" "log_timezone = 'UTC'" "log_line_prefix = '%m [%p] %d '"
  [ "$1" = pg ] || return 0
  # The many chunks of one transaction take a lock each. Background workers would run out with a database
  # per test, and the Apache build has no jobs for them.
  printf '%s\n' "shared_preload_libraries = 'timescaledb'" 'timescaledb.telemetry_level = off' \
    'timescaledb.max_background_workers = 0' 'shared_buffers = 512MB' 'max_locks_per_transaction = 256'
}

pg_create() { # service
  local data=$state/$1 log=$state/log/$1.initdb.log
  rm -rf "$data".new.*
  mkdir "$data.new.$$"
  [ "${#as[@]}" = 0 ] || chown nobody:nogroup "$data.new.$$"
  # The builtin locale needs nothing of the host's. Made aside and renamed, so half a cluster is never found.
  "${as[@]}" "$pg_bin/initdb" -D "$data.new.$$" -U postgres -A trust -E UTF8 --locale=C \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --no-sync >"$log" 2>&1 </dev/null || {
    tail -n 5 "$log" >&2
    die "could not create the database cluster $1; all of it is in $log" "is the disk full? then run ./dev up again"
  }
  echo "include 'millstream-dev.conf'" >> "$data.new.$$/postgresql.conf"
  mv -T "$data.new.$$" "$data"
}

# A killed postmaster's children may still write to its data; only when they are gone may the next one start.
pg_clear_stale() { # service
  local data=$state/$1 user='' i
  [ -e "$data/postmaster.pid" ] || return 0
  for ((i = 0; i < 100; i++)); do
    user=$(find /proc -maxdepth 2 -name cwd -lname "$data" 2>/dev/null | head -n 1) || true
    [ -n "$user" ] || break
    sleep 0.05
  done
  user=${user%/cwd}
  [ -z "$user" ] || die "$1: process ${user#/proc/} still works in $data, though its server is gone" \
    "end it (kill ${user#/proc/}) and run ./dev up again"
  rm -f "$data/postmaster.pid"
}

pg_start() { # service
  local data=$state/$1 log=$state/log/$1.log user owner
  ! pid_of "$1" >/dev/null || return 0
  if [ ! -e "$data/PG_VERSION" ]; then pg_create "$1"; fi
  user=$("${as[@]}" id -un) owner=$(stat -c %U "$data")
  [ "$user" = "$owner" ] || die "$1: its data in $data belongs to $owner, and would run as $user now" \
    "run ./dev as before, or ./dev down --purge to start afresh"
  pg_clear_stale "$1"
  port_for "$1"
  pg_settings "$1" "$port" > "$data/millstream-dev.conf"
  : >> "$log"
  [ "${#as[@]}" = 0 ] || chown nobody:nogroup "$log"
  (cd "$state" && "${as[@]}" setsid "$pg_bin/pg_ctl" -D "$data" -l "$log" -s -w -t 300 start) \
    </dev/null >"$state/log/$1.start.log" 2>&1 9>&- || {
    tail -n 5 "$log" >&2
    die "$1 did not start; its log is $log" "if its data is damaged or from another version: ./dev down --purge, then ./dev up"
  }
}

sql() { # service database statement
  port_of "$1"
  "$pg_bin/psql" -XAtq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d "$2" -c "$3" 2>&1
}

# Looked at on every `up`, as somebody may have dropped them; one quick query when all is well.
databases_ready() {
  local out
  if [ "$(sql pg millstream "select count(*) from pg_extension where extname = 'timescaledb'" || true)" != 1 ]; then
    [ "$(sql pg postgres "select 1 from pg_database where datname = 'millstream'")" = 1 ] ||
      out=$(sql pg postgres 'create database millstream') || die "pg: $out" "see $state/log/pg.log"
    out=$(PGOPTIONS='-c client_min_messages=error' sql pg millstream 'create extension if not exists timescaledb') ||
      die "pg: $out" "see $state/log/pg.log"
  fi
  [ "$(sql pg-legacy legacy 'select 1' || true)" = 1 ] ||
    out=$(sql pg-legacy postgres 'create database legacy') || die "pg-legacy: $out" "see $state/log/pg-legacy.log"
}

# --- Mosquitto -------------------------------------------------------------------------------------------

mosquitto_start() {
  local conf=$state/mosquitto.conf log=$state/log/mosquitto.log pid i
  ! pid_of mosquitto >/dev/null || return 0
  port_for mosquitto
  { echo "listener $port 127.0.0.1"
    echo "persistence_location $state/mosquitto/"
    cat "$repo/docker/mosquitto.conf"
  } > "$conf"
  # Its own daemon mode and pid file are not used: a second start that fails deletes the first one's file.
  "${as[@]}" setsid "$tree_bin/mosquitto" -c "$conf" </dev/null >>"$log" 2>&1 9>&- &
  pid=$!
  echo "$pid" > "$state/mosquitto.pid.new" && mv "$state/mosquitto.pid.new" "$state/mosquitto.pid"
  for ((i = 0; i < 500; i++)); do
    if live "$pid" "$conf" && port_open "$port"; then return 0; fi
    # At first it is still setpriv, sh, …, all of which name the file as well: so gone means gone.
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
  tail -n 5 "$log" >&2
  die "mosquitto did not start; its log is $log" "mend what it complains about, then run ./dev up again"
}

# --- all of them -----------------------------------------------------------------------------------------

servers_up() {
  tree_ready
  state_ready
  pg_start pg
  pg_start pg-legacy
  mosquitto_start
  databases_ready
}

stop_server() { # service signal
  local pid i
  pid=$(pid_of "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || true
  for ((i = 0; i < 3000; i++)); do
    pid_of "$1" >/dev/null || return 0
    sleep 0.02
  done
  warn "$1 (pid $pid) has not stopped within a minute; killing it"
  kill -KILL "$pid" 2>/dev/null || true
}

servers_down() {
  [ -n "$state" ] || return 0
  stop_server mosquitto TERM
  stop_server pg-legacy INT     # Postgres's "fast": ends sessions, loses nothing
  stop_server pg INT
  rm -f "$state/mosquitto.pid"
}

servers_purge() {
  [ -n "$state" ] || return 0
  rm -rf "$state"/pg "$state"/pg.new.* "$state"/pg-legacy "$state"/pg-legacy.new.* "$state/mosquitto" "$state/log"
  rm -f "$state/mosquitto.conf"
  if [ "$state" = "/var/lib/millstream-dev/$checkout_id" ]; then rmdir "$state" 2>/dev/null || true; fi
}
