#!/bin/sh
# InfluxDB's health check. It also carries out a restart that the keeper asks for, as the keeper has no access to the
# engine: it ends the container's first process, and the engine starts the container again. A request is a new text in
# the keeper's file; there is at most one restart in two minutes, whatever the file says. A volume that takes nothing
# cannot count that. A container that was started on one keeps it read-only, also when it is mended, until it is started
# again; there, a restart comes a minute after the start at the earliest.
request=${1:-/run/keeper/restart-influxdb}
# A file of the container, which is gone when the container is started again.
seen=${2:-/tmp/restart-seen}
# A file of the volume, which stays.
restarted=${3:-/var/lib/influxdb/restarted}
process=${4:-1}
# A file of the container, which is as old as the first health check.
started=${5:-/tmp/started}

text=$(cat "$request" 2>/dev/null)
# What was asked for before the start is done.
[ -f "$seen" ] || printf '%s' "$text" >"$seen"
[ -f "$started" ] || touch "$started"
if [ "$text" != "$(cat "$seen")" ] && [ -z "$(find "$restarted" -mmin -2 2>/dev/null)" ]; then
  if touch "$restarted" 2>/dev/null || [ -z "$(find "$started" -mmin -1)" ]; then
    printf '%s' "$text" >"$seen"
    kill -TERM "$process"
  fi
fi
exec curl -fsS "${HEALTH_URL:-http://127.0.0.1:8086/ping}"
