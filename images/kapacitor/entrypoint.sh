#!/bin/bash
# Options alone mean kapacitord, as in the official image.
set -euo pipefail

if [[ ${1-} == -* ]]; then
    set -- kapacitord "$@"
fi

# InfluxDB sends its subscriptions to this name. The container's is a fallback
# that other containers of the same network can resolve.
export KAPACITOR_HOSTNAME=${KAPACITOR_HOSTNAME:-$HOSTNAME}

exec "$@"
