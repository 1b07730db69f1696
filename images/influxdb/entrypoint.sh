#!/bin/bash
# Options alone mean influxd, as in the official image.
set -euo pipefail

if [[ ${1-} == -* ]]; then
    set -- influxd "$@"
fi

exec "$@"
