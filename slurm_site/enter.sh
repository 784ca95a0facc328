#!/bin/sh
# The first process of a site's namespaces: mounts its file system, makes it the root and becomes its init.
# A plain chroot won't do: processes in one may not make user namespaces, which Apptainer needs.
# Its variables (process.Place) come by the environment; standard input and output are init's control channel.
set -eu
read -r host_pid _ </proc/self/stat  # this shell's: the old /proc still counts as the host does
export host_pid
mount --make-rprivate /

if [ -n "$instance" ]; then
    root=$instance/root
    mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$instance/upper,workdir=$instance/work" "$root"
    mount --bind "$instance/scratch" "$root/scratch"  # a plain file system for jobs' folders, not an overlay
else
    root=$rootfs  # while it is built: what is written stays
    mount --bind "$root" "$root"
fi
cd "$root"
[ -z "$scratch_size" ] || mount -t tmpfs -o "size=$scratch_size,mode=755" tmpfs scratch
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
if [ -n "$cgroup" ]; then  # a corner of the machine's memory controller, so that sites don't meet in there
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/memory
    mount -t cgroup -o memory cgroup mnt
    mkdir -p "mnt/$cgroup"
    mount --bind "mnt/$cgroup" sys/fs/cgroup/memory
    umount mnt
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
# Nodes of its own, so that the machine's /dev/fuse keeps its mode.
device() { mknod -m 666 "dev/$1" c "$2" "$3"; }
device null 1 3; device zero 1 5; device full 1 7; device random 1 8; device urandom 1 9; device tty 5 0
device fuse 10 229; device nvidia0 195 0; device nvidia1 195 1
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf etc/resolv.conf
hostname login
cp "$init" run/init.py

pivot_root . mnt
exec chroot . /bin/sh -c 'umount -l /mnt && exec python3 -I -S -u /run/init.py'
