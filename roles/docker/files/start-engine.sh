#!/bin/sh
# Starts the engine with its init script, on hosts without systemd.
set -eu

# A killed engine leaves a file with its process number behind. The init script and dockerd only check whether a process
# has this number: a zombie, or another program with the number, would keep them from starting.
for file in /var/run/docker.pid /var/run/docker-ssd.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    name=$(cat "/proc/$pid/comm" 2>/dev/null || true)
    state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null || true)
    case $name,$state in
    dockerd,Z* | dockerd,X*) rm -f "$file" ;;
    dockerd,*) ;;
    *) rm -f "$file" ;;
    esac
done

# This is "service docker start", but that the init script ends where it may not raise the limit of open files, as in
# containers without CAP_SYS_RESOURCE. The function ulimit replaces the shell's builtin: it tries, and continues.
# shellcheck disable=SC2016  # expanded by the inner shell
exec sh -c 'ulimit() { command ulimit "$@" || true; }; . "$0"' /etc/init.d/docker start </dev/null
