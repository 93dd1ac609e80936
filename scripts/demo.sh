#!/usr/bin/env bash
# From nothing to a verified hypertable: what the README shows, run for real.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
database=demo_$$
server=${DATABASE_URL%/*}
cleanup() {
  psql -X -q "$DATABASE_URL" -c "drop database if exists $database with (force)" >/dev/null 2>&1 || true
  rm -rf -- "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

psql -X -q "$DATABASE_URL" -c "create database $database"
door=$DATABASE_URL
export DATABASE_URL=$server/$database
psql -X -q "$DATABASE_URL" -c 'create extension if not exists timescaledb'
# From here on the door is only needed to drop the database again.
trap 'DATABASE_URL=$door; cleanup' EXIT

run millstream generate telemetry --rows "${DEMO_ROWS:-1000000}" --out "$work/telemetry.db" --progress none
export SOURCE=$work/telemetry.db
state=$work/state
sed "s#^\[source\]#[state]\ndir = '$state'\n\n[source]#" pipelines/telemetry.toml > "$work/telemetry.toml"
run millstream check "$work/telemetry.toml"
run millstream backfill "$work/telemetry.toml"
run millstream verify "$work/telemetry.toml"
run millstream dead-letter list "$work/telemetry.toml"
query="select time_bucket('1 week', ts) as week, count(*) as rows, count(distinct metric_def_id) as metrics,
       round(avg(value_real)::numeric, 2) as mean
from historian.metric_hist group by 1 order by 1 limit 5"
say psql -c "$query"
psql -X "$DATABASE_URL" -c "$query"
echo 'The demo database is dropped again. `./dev status` shows the servers; `./dev down` stops them.'
