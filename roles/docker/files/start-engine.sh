#!/bin/sh
# Starts the engine with its init script, where there is no systemd.
set -eu

# An engine that was killed leaves its process number behind. The init script and dockerd look no further than whether
# there is such a process: one that nobody has reaped, or another program with the same number, keeps them from starting.
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

# The init script raises the limit of open files, and where that is forbidden (in containers without CAP_SYS_RESOURCE)
# it ends there. A function of that name comes before the shell's builtin: it tries, and goes on. Apart from that the
# script runs as "service docker start" would run it.
# shellcheck disable=SC2016  # expanded by the inner shell
exec sh -c 'ulimit() { command ulimit "$@" || true; }; . "$0"' /etc/init.d/docker start </dev/null
