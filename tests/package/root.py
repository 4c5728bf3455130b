"""A Debian of its own, to install something in.

It is the base that scripts/test has made (debootstrap), with a layer in memory
above it; both are mounted in a mount namespace that nobody else sees.  So
nothing stays anywhere, however the tests end.
"""

import hashlib
import os
import pathlib
import shutil
import stat
import subprocess

from process import Process

REPO = pathlib.Path(__file__).resolve().parents[2]
BASE = REPO / "build/root"

# Where there is no overlayfs, a copy does.
MOUNT = """\
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" \
    overlay "$2/root" || cp -a "$1/." "$2/root"
mount -t proc proc "$2/root/proc"
echo mounted
exec sleep infinity
"""

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
       "HOME": "/root", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive"}


class Root:
    """The root; path is where we see it."""

    def __init__(self, directory):
        assert BASE.is_dir(), "no base: scripts/test deb makes it"
        self._dir = directory / "mount"
        self._dir.mkdir()
        self._holder = Process(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc",
             MOUNT, "sh", str(BASE), str(self._dir)], "root")
        self._holder.wait_line("^mounted$")
        self.path = pathlib.Path(
            f"/proc/{self._holder.pid}/root{self._dir}/root")
        for name in "resolv.conf", "hosts":
            shutil.copyfile(f"/etc/{name}", self.path / "etc" / name)

    def close(self):
        """Take it away, with all that runs there."""
        for pid in self.pids():
            os.kill(pid, 9)
        self._holder.kill()

    def argv(self, argv):
        """Return the command that runs argv there."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--",
                "chroot", f"{self._dir}/root", *argv]

    def run(self, script, status=0):
        """Run a shell script there; returns what it says."""
        done = subprocess.run(
            self.argv(["sh", "-ec", script]), env=ENV, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300)
        assert done.returncode == status, done.stdout
        return done.stdout

    def pids(self):
        """Return the processes whose root it is."""
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.path.samefile(
                        f"/proc/{name}/root", self.path):
                    found.append(int(name))
            except OSError:
                pass
        return found

    def list(self, without):
        """Return what each file is: {path: (mode, owner, contents)}.

        But for what is at or below the paths of without, and directories'
        contents.
        """
        found = {}
        for where, directories, files in os.walk(self.path):
            for name in [*directories, *files]:
                full = pathlib.Path(where, name)
                path = "/" + str(full.relative_to(self.path))
                if path in without:
                    if name in directories:
                        directories.remove(name)
                    continue
                found[path] = _describe(full)
        return found


def _describe(path):
    status, contents = path.lstat(), None
    if stat.S_ISLNK(status.st_mode):
        contents = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        contents = hashlib.sha256(path.read_bytes()).hexdigest()
    return (stat.filemode(status.st_mode), status.st_uid, status.st_gid,
            contents)
