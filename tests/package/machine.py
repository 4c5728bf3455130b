"""A Debian that is running: its own systemd, journal and network.

As root.py, but that systemd is started there, as in a container: with
namespaces of its own for processes, mounts, cgroups and the network, in which
there is only the loopback.  What it is to install it has to have before
(prepare), since from then on it reaches nobody.
"""

import os
import pathlib
import subprocess

from process import FAILSAFE, Process, children, until
from root import BASE, ENV

# $1 the base, $2 a directory of ours.  What apt downloads is kept, and taken
# by the next one.
MOUNT = """\
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
root=$2/root
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" \
    overlay "$root" || { cp -a "$1/." "$root"; mount --bind "$root" "$root"; }
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
echo mounted
read -r go
# From here on there is nothing but the loopback.
exec unshare --net --cgroup sh -euc '
ip link set lo up
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
cd "$1"
mkdir -p mnt/old
pivot_root . mnt/old
exec chroot . sh -c "umount -l /mnt/old; mount --make-rshared /
    exec env -i container=culvert PATH=/sbin:/bin:/usr/sbin:/usr/bin \
    /lib/systemd/systemd" </dev/null >/dev/null 2>&1
' sh "$root"
"""


class Machine:
    """The machine; packages: what is installed before it is started."""

    def __init__(self, directory, packages, hosts):
        assert BASE.is_dir(), "no base: scripts/test deb makes it"
        self._dir = directory / "machine"
        self._dir.mkdir()
        self._holder = Process(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts",
             "--ipc", "sh", "-euc", MOUNT, "sh", str(BASE), str(self._dir)],
            "machine", stdin=subprocess.PIPE)
        self._holder.wait_line("^mounted$")
        self._init, = children(self._holder.pid)
        self._prepare(packages, hosts)
        self._holder.popen.stdin.write(b"go\n")
        self._holder.popen.stdin.close()
        until(lambda: self._run(["systemctl", "is-system-running"])
              .stdout.strip() in ("running", "degraded"),
              "systemd is running", 3 * FAILSAFE)

    def _prepare(self, packages, hosts):
        root = pathlib.Path(f"/proc/{self._init}/root{self._dir}/root")
        for name in "resolv.conf", "hosts":
            (root / "etc" / name).write_bytes(
                pathlib.Path("/etc", name).read_bytes())
        subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-p", "--", "chroot",
             f"{self._dir}/root", "sh", "-ec", packages], env=ENV, check=True,
            timeout=300, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(root / "etc/hosts", "a") as file:
            file.write(hosts)

    def _run(self, argv, **how):
        return subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-p", "-i", "-u", "-n",
             "-C", "--", *argv], env=ENV, text=True, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **how)

    def run(self, script, status=0):
        """Run a shell script there, as root; returns what it says."""
        done = self._run(["sh", "-ec", script])
        assert done.returncode == status, \
            f"{script}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def write(self, path, text):
        """Make a file there."""
        where = pathlib.Path(f"/proc/{self._init}/root{path}")
        where.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            where.write_bytes(text)
        else:
            where.write_text(text)

    def close(self):
        """Switch it off."""
        try:
            os.kill(self._init, 9)
        except ProcessLookupError:
            pass
        self._holder.kill()
