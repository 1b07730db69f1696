#!/bin/sh
# Starts InfluxDB, which takes the rest of the command line, once its volume takes files, and with a new segment of each
# shard's write-ahead log.
#
# A full disk or a loss of power may leave half an entry at the end of a segment. InfluxDB cuts it off at its next start,
# but its first write lands where the segment ended before that. What lies between reads as a damaged entry, so the start
# after the next one drops all that was written since, though every client was told that it is stored (seen in 1.8.10 and
# 1.12.4: WAL.Open in tsdb/engine/tsm1/wal.go, CacheLoader.Load in cache.go). Where the last segment is empty, InfluxDB
# removes it and writes to a new one, so that a segment from before the start is only read.
wal=${INFLUXDB_DATA_WAL_DIR:-/var/lib/influxdb/wal}
volume=${wal%/*}

# On a read-only volume InfluxDB ends at once, and the engine starts it again after up to a minute. So this script waits
# itself. A mount that was read-only when the container started stays so in there: after ten seconds it ends, and the
# engine starts the container anew at once.
trap 'exit 0' TERM INT
seconds=0
while [ -d "$volume" ] && ! touch "$volume/.takes-files" 2>/dev/null; do
  [ "$seconds" -gt 0 ] || echo "run.sh: $volume takes no files: waiting until it does" >&2
  [ "$seconds" -lt 12 ] || exit 1
  seconds=$((seconds + 1))
  sleep 1
done
rm -f "$volume/.takes-files"

for shard in "$wal"/*/*/*/; do
  last=
  for segment in "$shard"_*.wal; do
    last=$segment
  done
  if [ -s "$last" ]; then
    number=${last##*/_}
    number=${number%.wal}
    # A number with leading zeros would be octal.
    number=${number#"${number%%[!0]*}"}
    next=$(printf '%s_%05d.wal' "$shard" "$((number + 1))")
    # A volume that takes nothing must not keep InfluxDB from its start.
    touch "$next" || echo "run.sh: $next cannot be made: writes after a torn one may be lost by the next start" >&2
  fi
done

# What opens the data is recorded beside them: the preflight refuses to put an older InfluxDB on them.
version=$(influxd version) && version=${version#InfluxDB } && echo "${version%% *}" >"${wal%/*}/written-by" ||
  echo "run.sh: ${wal%/*}/written-by cannot be written" >&2

exec influxd "$@"
