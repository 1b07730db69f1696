#!/usr/bin/env bash
# Makes an equal of the official debian:13-slim and imports it into Docker.
#
# It exists for hosts that can reach a Debian mirror but no image registry.
# Where debian:13-slim can be pulled, that image is used in its place, so
# nothing that builds on this one may rely on a difference between the two.
set -euo pipefail

readonly SUITE=trixie
readonly ARCHIVE=http://deb.debian.org/debian
readonly SECURITY_ARCHIVE=http://deb.debian.org/debian-security

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
mirror=${DEBIAN_MIRROR:-}
security_mirror=${DEBIAN_SECURITY_MIRROR:-}
keyring=${DEBIAN_KEYRING:-}
ca_bundle=
arch=$(dpkg --print-architecture)
tag=
labels=()

usage() {
    cat <<TEXT
Usage: ${0##*/} --tag NAME:TAG [OPTION]...

  --tag NAME:TAG          what to call the image (required)
  --label KEY=VALUE       a label; may be given several times
  --mirror URL            a Debian archive            [DEBIAN_MIRROR]
  --security-mirror URL   its security updates        [DEBIAN_SECURITY_MIRROR]
  --keyring FILE          the archive's public keys   [DEBIAN_KEYRING]
  --ca-bundle FILE        CAs for mirrors over https; never kept in the image
  --arch ARCH             default: the host's

The defaults are Debian's own archive and keys.
TEXT
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
    esac
    (($# >= 2)) || { usage >&2; die "'$1' is unknown, or lacks its value"; }
    case $1 in
        --tag) tag=$2 ;;
        --label) labels+=("$2") ;;
        --mirror) mirror=$2 ;;
        --security-mirror) security_mirror=$2 ;;
        --keyring) keyring=$2 ;;
        --ca-bundle) ca_bundle=$2 ;;
        --arch) arch=$2 ;;
        *) usage >&2; die "unknown option '$1'" ;;
    esac
    shift 2
done

mirror=${mirror:-$ARCHIVE}
security_mirror=${security_mirror:-$SECURITY_ARCHIVE}
[[ -n $tag ]] || { usage >&2; die "--tag is missing"; }
((EUID == 0)) || die "debootstrap needs root: run this with sudo"
for tool in debootstrap docker tar gpgv wget; do
    command -v "$tool" >/dev/null || die "'$tool' is missing: apt-get install debootstrap gpgv wget"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/debian-image.XXXXXXXX")
root=$work/root
cleanup() {
    # An interrupted debootstrap leaves /proc mounted in the tree, and a
    # recursive delete must not walk into that.
    local target
    for target in proc sys dev/pts; do
        if mountpoint -q "$root/$target"; then umount "$root/$target"; fi
    done
    rm -rf --one-file-system -- "$work"
}
trap cleanup EXIT
mkdir -m 0755 -- "$root"

if [[ -z $keyring ]]; then
    keyring=$("$here/keyring.sh" "$mirror" "$SUITE" "$work")
fi

# A debootstrap from before this suite has no script of its name; Debian's
# suites have shared one script for years.
script=/usr/share/debootstrap/scripts/$SUITE
[[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid

echo "debootstrap $SUITE for $arch"
debootstrap --variant=minbase --merged-usr --arch="$arch" --keyring="$keyring" \
    "$SUITE" "$root" "$mirror" "$script"

# The release's own date becomes the newest time of any file, so that runs
# against the same archive give the same files.
release=("$root"/var/lib/apt/lists/*_dists_"$SUITE"_*Release)
epoch=$(date --utc --date="$(sed -n 's/^Date: //p' "${release[0]}")" +%s)

echo "security updates"
# The archives that the image will name, and, for this run only, the mirrors
# in their place.
write_sources() {
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<TEXT
Types: deb
URIs: $1
Suites: $SUITE $SUITE-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $2
Suites: $SUITE-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
TEXT
}
rm -f -- "$root/etc/apt/sources.list"
write_sources "$mirror" "$security_mirror"
apt_options=(-o Acquire::Languages=none -o DPkg::Options::=--force-unsafe-io)
if [[ -s $ca_bundle ]]; then
    install -m 0644 -- "$ca_bundle" "$root/ca-bundle.pem"
    apt_options+=(-o Acquire::https::CAInfo=/ca-bundle.pem)
fi
# Packages' scripts must not start services of the host.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 -- "$root/usr/sbin/policy-rc.d"
cp -- /etc/resolv.conf "$root/etc/resolv.conf"
in_root() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy:-}" \
        https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" "$@"
}
in_root apt-get "${apt_options[@]}" --quiet update
in_root apt-get "${apt_options[@]}" --quiet --yes dist-upgrade
rm -f -- "$root/ca-bundle.pem"
write_sources "$ARCHIVE" "$SECURITY_ARCHIVE"

echo "slim down"
cp -- "$here/dpkg-slim.cfg" "$root/etc/dpkg/dpkg.cfg.d/docker"
cp -- "$here/apt-slim.conf" "$root/etc/apt/apt.conf.d/docker"
find "$root/usr/share/doc" -mindepth 2 ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
for directory in groff info linda lintian man; do
    rm -rf -- "${root:?}/usr/share/$directory"
done
find "$root/usr/share/locale" -name '*.mo' -delete
find "$root/usr/share/locale" -mindepth 1 -type d -empty -delete
find "$root/var/cache/apt" "$root/var/lib/apt/lists" "$root/var/log" \
    "$root/tmp" "$root/var/tmp" "$root/run" -mindepth 1 ! -type d -delete
rm -rf -- "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old \
    "$root"/var/cache/ldconfig/aux-cache "$root"/etc/*-
# What the engine provides, or what identifies one machine.
: >"$root/etc/machine-id"
rm -f -- "$root/etc/resolv.conf" "$root/etc/hostname"
find "$root/dev" -mindepth 1 -delete

changes=(
    --change 'CMD ["bash"]'
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
)
for label in ${labels[@]+"${labels[@]}"}; do
    changes+=(--change "LABEL ${label%%=*}=\"${label#*=}\"")
done
echo "import as $tag"
# What tar would write beside is when these copies were made.
tar --create --directory="$root" --one-file-system --numeric-owner --xattrs \
    --sort=name --mtime="@$epoch" --clamp-mtime \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime . |
    docker import "${changes[@]}" - "$tag"
