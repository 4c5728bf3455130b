"""The sshd of other releases of Debian, out of roots that scripts/platforms makes.

They look like the other SSH servers (../integration/ssh_servers.py).
"""

import pathlib

from ssh_servers import SshServer
from sshd import CONFIG, HOSTS, write_file

ROOTS = pathlib.Path(__file__).resolve().parents[2] / "build" / "platforms"

# In the mount namespace of ip netns exec, which nobody else sees.  $1 the root,
# $2 the directory, which has the same path in there.
START = """\
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/tmp"
mkdir -p "$1/run/sshd" "$1$2"
mount --bind "$2" "$1$2"
mount --bind "$2/shadow" "$1/etc/shadow"
mount --bind "$2/hosts" "$1/etc/hosts"
exec chroot "$1" /usr/sbin/sshd -D -e -f "$2/sshd_config"
"""


class OpenSsh(SshServer):
    """The sshd of a release; a subclass names it."""

    ready = "Server listening on"
    release = None

    def prepare(self):
        write_file(f"{self.dir}/shadow", "root:*:19000:0:99999:7:::\n")
        write_file(f"{self.dir}/hosts", HOSTS, 0o644)
        write_file(f"{self.dir}/sshd_config", CONFIG.format(
            dir=self.dir, port=self.port, far4=self.ns.far4,
            far6=self.ns.far6))

    def argv(self):
        root = ROOTS / self.release
        assert (root / "usr/sbin/sshd").exists(), \
            f"{root} has no sshd: scripts/platforms makes it"
        return ["sh", "-euc", START, "sshd", root, self.dir]


RELEASES = {name: type(name, (OpenSsh,), {"release": name})
            for name in ("bullseye", "bookworm", "trixie")}
