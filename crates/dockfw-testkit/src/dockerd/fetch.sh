#!/bin/sh
# A dockerd of another Debian release, as a folder to lay over this machine's /usr.
# Nothing is installed, and apt's own lists and sources stay as they are.
#
#   fetch.sh SUITE FOLDER [VERSION]
#
# VERSION is how the version must begin, such as 28. The folder gets `usr`, and `version`, the one
# of docker.io. The mirror is the one that this machine's apt uses, or DOCKFW_MIRROR.
# Ends with 3 and a reason if the mirror does not have it, and with another status when it fails:
# also when a signature or a checksum is wrong.
set -eu
suite=$1 folder=$2 wanted=${3:-}
mirror=${DOCKFW_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
    'Identifier: Packages' 'Component: main' 'Origin: Debian' | grep -v security | head -n 1)}
if [ -z "$mirror" ]; then
    echo "this machine's apt has no mirror of Debian" >&2
    exit 3
fi
# What is not in this list is this machine's.
packages="docker.io docker-cli containerd runc libc6 libseccomp2"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/etc/apt.conf.d" \
    "$work/etc/preferences.d" "$work/debs" "$work/tree"
: >"$work/status"
# A mirror may stand still, so that its index is no longer fresh; it is signed nevertheless.
echo "deb [check-valid-until=no signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "$mirror $suite main" >"$work/etc/sources.list"
cat >"$work/conf" <<END
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc "$work/etc";
Acquire::Languages "none";
Acquire::Retries "2";
APT::Sandbox::User "root";
END
export APT_CONFIG="$work/conf" LC_ALL=C
apt-get update -qq >&2
version=$(apt-cache policy docker.io | sed -n 's/^ *Candidate: //p')
case $version in
"$wanted"?*) ;;
*)
    echo "$mirror has docker.io ${version:-in no version} in $suite" >&2
    exit 3
    ;;
esac
# Word by word.
# shellcheck disable=SC2086
(cd "$work/debs" && apt-get download -qq $packages >&2)
for deb in "$work"/debs/*.deb; do
    dpkg-deb --extract "$deb" "$work/tree"
done
rm -rf "$folder/usr" "$folder/version"
mv "$work/tree/usr" "$folder/usr"
echo "$version" >"$folder/version"
echo "docker.io $version: $folder"
