#!/usr/bin/env bash
# keyring.sh MIRROR SUITE WORK prints the path of a keyring that verifies the
# suite's release file: the host's, or one made in the folder WORK.
#
# Ubuntu 22.04 packages Debian's keys from before the suite. The suite's own
# package has them, and that it is the real one is known from their
# fingerprints, which https://ftp-master.debian.org/keys.html lists.
set -euo pipefail

# Debian 13's archive key and its stable release key.
readonly FINGERPRINTS=(
    04B54C3CDCA79751B16BC6B5225629DF75B188BD
    41587F7DB8C774BCCF131416762F67A0B2C39DE4
)
mirror=$1
suite=$2
work=$3

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

fetch() {
    wget --quiet --tries=3 --timeout=60 --output-document="$2" "$1" || die "cannot fetch $1"
}

# Several keys sign a release. gpgv fails if it lacks one of them, which is no
# reason for mistrust: debootstrap too is satisfied with one good signature.
verifies() {
    gpgv --status-fd 1 --keyring "$1" "$work/InRelease" 2>/dev/null | grep -q '^\[GNUPG:\] VALIDSIG '
}

fetch "$mirror/dists/$suite/InRelease" "$work/InRelease"
for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    if [[ -r $keyring ]] && verifies "$keyring"; then
        echo "$keyring"
        exit 0
    fi
done

for tool in gpg xz dpkg-deb; do
    command -v "$tool" >/dev/null ||
        die "the host's debian-archive-keyring is missing or too old for $suite; it can be made up for with '$tool': apt-get install gnupg xz-utils"
done
fetch "$mirror/dists/$suite/main/binary-$(dpkg --print-architecture)/Packages.xz" "$work/Packages.xz"
package=$(xz --decompress --stdout "$work/Packages.xz" |
    sed -n '/^Package: debian-archive-keyring$/,/^$/s/^Filename: //p')
[[ $package == pool/*.deb ]] || die "$mirror has no debian-archive-keyring for $suite"
fetch "$mirror/$package" "$work/keyring.deb"
mkdir -- "$work/keyring" "$work/gnupg"
chmod 0700 -- "$work/gnupg"
dpkg-deb --extract "$work/keyring.deb" "$work/keyring"

export GNUPGHOME=$work/gnupg
cat -- "$work"/keyring/usr/share/keyrings/*.{pgp,gpg} 2>/dev/null | gpg --batch --quiet --import 2>/dev/null || true
gpg --batch --quiet --export "${FINGERPRINTS[@]}" >"$work/keyring.gpg"
verifies "$work/keyring.gpg" || die "$mirror/dists/$suite/InRelease is not signed by Debian's keys for $suite"
echo "$work/keyring.gpg"
