"""The far network: a namespace that lets in nothing but the SSH port.

On one host a tunnel that rewrites nothing would seem to carry FTP, since the
data connections find their way over loopback.  So sshd and the FTP servers
live in a namespace of their own: its loopback is not ours, and a packet filter
on the way between drops everything but TCP to and from the ports of sshd.
"""

import concurrent.futures
import contextlib
import ctypes
import functools
import os
import re
import signal
import socket
import subprocess

from process import FAILSAFE, wait_gone

CLONE_NEWNET = 0x40000000

# The filter needs no connection tracking: packets that are neither to nor from
# a port of the set are dropped, in both directions.
RULES = """
table inet far {
    set ssh { type inet_service; }
    chain in {
        type filter hook input priority 0; policy drop;
        iif "lo" accept
        tcp dport @ssh accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    }
    chain out {
        type filter hook output priority 0; policy drop;
        oif "lo" accept
        tcp sport @ssh accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    }
    chain through {
        type filter hook forward priority 0; policy drop;
    }
}
"""


class NoNamespace(Exception):
    """The machine, or the user, cannot make network namespaces."""


def ip(*args):
    """Run ip(8) to its good end; returns what it prints."""
    return subprocess.run(["ip", *args], check=True, capture_output=True,
                          text=True).stdout


def _free_port(address):
    """Return a port that the kernel says is free, and gives to nobody else.

    For a minute: a connection to it stays behind in TIME_WAIT.  A server, which
    names the port and sets SO_REUSEADDR, can have it all the same.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((address, port)) as client:
            listener.accept()[0].close()
            client.recv(1)
    return port


def _hex(address):
    """Return an address as /proc/net/tcp has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    number = socket.inet_pton(family, address)
    return "".join(number[at:at + 4][::-1].hex().upper()
                   for at in range(0, len(number), 4))


def _remove(name):
    """End all that runs in a namespace of ours, and remove it."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        for pid in map(int, ip("netns", "pids", name).split()):
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                wait_gone(pid, 5)
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        ip("netns", "del", name)


@functools.cache  # once, or it would remove our own
def _remove_dead():
    """Remove what runs that were killed have left: the name has the pid."""
    if os.path.isdir("/run/netns"):
        for name in os.listdir("/run/netns"):
            match = re.fullmatch(r"culvert-(\d+)(-\w+)?", name)
            if match and (int(match[1]) == os.getpid()
                          or not os.path.exists(f"/proc/{match[1]}")):
                _remove(name)


def _setns(path):
    """Move the thread that calls into the namespace of that file."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class Host:
    """A network namespace, with a loopback and nothing else so far.

    name is below /run/netns; it must begin with culvert- and our pid.
    """

    def __init__(self, name):
        self.name = name
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, "netns", initializer=self._enter)
        try:
            self._make()
        except FileNotFoundError as error:
            self.close()
            raise NoNamespace(
                f"{error.filename} is missing: the tests need iproute2 and"
                " nftables (scripts/test installs them)") from None
        except (subprocess.CalledProcessError, OSError) as error:
            self.close()
            raise NoNamespace(
                "no network namespace can be made here, and without one a"
                " tunnel that rewrites nothing would pass; run the tests as"
                f" root, with CAP_SYS_ADMIN and CAP_NET_ADMIN: {error}:"
                f" {getattr(error, 'stderr', '')}") from None

    def _make(self):
        _remove_dead()
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def _enter(self):
        _setns(f"/run/netns/{self.name}")

    @contextlib.contextmanager
    def inside(self):
        """Let the thread that calls be inside for a while.

        The sockets that it makes meanwhile stay there, and so do the
        processes that it starts.
        """
        with open("/proc/thread-self/ns/net") as before:
            self._enter()
            try:
                yield
            finally:
                _setns(f"/proc/self/fd/{before.fileno()}")

    def argv(self, argv):
        """Return the command that runs argv inside; the pid stays its own."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, argv, **options):
        """Run a command inside to its end; fails unless it exits with 0."""
        return subprocess.run(self.argv(argv), check=True,
                              capture_output=True, **options)

    def call(self, function, *args):
        """Call a function in a thread that lives inside.

        A socket made there stays inside and may be used by any thread.
        """
        return self._thread.submit(function, *args).result(FAILSAFE)

    def socket(self, family=socket.AF_INET):
        """Return a new TCP socket of the far network."""
        return self.call(socket.socket, family, socket.SOCK_STREAM)

    def free_port(self, address="127.0.0.1"):
        """Return a port inside that only a server will get: _free_port()."""
        return self.call(_free_port, address)

    def listening(self, port, address=None):
        """Return whether somebody listens on that port inside.

        address: at that address, or at all; another one may have the port.
        """
        def look():
            wanted = {f":{port:04X}"}
            if address is not None:
                wanted = {each + f":{port:04X}"
                          for each in (_hex(address), "0" * 8, "0" * 32)}
            for name in "tcp", "tcp6":
                with open(f"/proc/thread-self/net/{name}") as file:
                    for line in file.readlines()[1:]:
                        words = line.split()
                        if (words[1].endswith(tuple(wanted))
                                and words[3] == "0A"):
                            return True
            return False
        return self.call(look)

    def close(self):
        """End all that runs inside (all of it is ours), and remove it."""
        self._thread.shutdown()
        _remove(self.name)


class Here:
    """Our own network, with what servers.Server asks of a namespace."""

    @staticmethod
    def argv(argv):
        """Return the command that runs argv in a mount namespace of its own,
        as `ip netns exec` does."""
        return ["unshare", "--mount", *argv]

    @staticmethod
    def call(function, *args):
        """Call a function."""
        return function(*args)

    @staticmethod
    def free_port(address="127.0.0.1"):
        """Return a port that only a server will get: _free_port()."""
        return _free_port(address)

    listening = Host.listening


class Namespace(Host):
    """A network namespace, joined to ours by a veth pair, filtered.

    near4, near6 are our addresses on the pair, far4, far6 those inside.
    """

    def __init__(self):
        number = os.getpid() % 16384
        self.veth = f"cv{os.getpid()}"
        net = f"10.231.{number // 64}"
        low = number % 64 * 4
        self.near4, self.far4 = f"{net}.{low + 1}", f"{net}.{low + 2}"
        self.near6 = f"fdc0:1e47:{number:x}::1"
        self.far6 = f"fdc0:1e47:{number:x}::2"
        super().__init__(f"culvert-{os.getpid()}")

    def _make(self):
        super()._make()
        ip("link", "add", self.veth, "type", "veth",
            "peer", "name", "near", "netns", self.name)
        for there, dev, addr4, addr6 in (
                ([], self.veth, self.near4, self.near6),
                (["-n", self.name], "near", self.far4, self.far6)):
            ip(*there, "addr", "add", f"{addr4}/30", "dev", dev)
            ip(*there, "addr", "add", f"{addr6}/126", "dev", dev, "nodad")
            ip(*there, "link", "set", dev, "up")
        self.run(["nft", "-f", "-"], input=RULES, text=True)

    def let_in(self, port):
        """Let TCP to and from one more port of the far host pass."""
        self.run(["nft", "add", "element", "inet", "far", "ssh",
                  f"{{ {port} }}"])

    def close(self):
        """End all that runs inside, and remove it, and the pair."""
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            ip("link", "del", self.veth)
        super().close()
