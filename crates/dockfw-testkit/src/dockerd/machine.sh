# The first program of a machine: sees this machine's files, writes into memory, becomes systemd.
# DOCKFW_DOCKERD may name a folder with another dockerd, whose usr is laid over that of the files.
# Arguments: a folder in memory, and folders that are to be seen below /srv.
set -euo pipefail
memory=$1
shift
root=$memory/root
mkdir "$memory/upper" "$memory/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" overlay "$root"
if [ -n "${DOCKFW_DOCKERD:-}" ]; then
    # Without what is mounted over this machine's /usr already: layers of layers have a limit.
    mkdir "$memory/usr-upper" "$memory/usr-work" "$memory/plain"
    mount --bind / "$memory/plain"
    layers=lowerdir=$DOCKFW_DOCKERD/usr:$memory/plain/usr
    mount -t overlay -o "$layers,upperdir=$memory/usr-upper,workdir=$memory/usr-work" overlay "$root/usr"
fi
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
# Empty, and no overlay: dockerd mounts overlays of its own there.
for place in run tmp root var/lib/docker var/lib/containerd etc/systemd/system; do
    mkdir -p "$root/$place"
    mount -t tmpfs -o mode=755 dockfw-lab "$root/$place"
done
rm -rf "$root/etc/docker" "$root/etc/dockfw" "$root/var/lib/dockfw"
for source in "$@"; do
    mkdir -p "$root/srv/${source##*/}"
    mount --bind "$source" "$root/srv/${source##*/}"
done
# Of what every boot does, only what has to do with services.
mount -t tmpfs dockfw-lab "$root/lib/systemd/system/sysinit.target.wants"
ln -s ../systemd-journald.service "$root/lib/systemd/system/sysinit.target.wants/"
printf '[Unit]\nDescription=The laboratory\nRequires=sysinit.target\nAfter=sysinit.target\n' \
    >"$root/etc/systemd/system/lab.target"
mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin container=dockfw-lab \
    /lib/systemd/systemd --unit=lab.target --log-target=journal --show-status=no
