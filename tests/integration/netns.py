"""The far network: a namespace whose packet filter permits only the SSH port.

If all programs were in one network, a tunnel that rewrites nothing would seem
to carry FTP, because data connections would be made directly, over loopback.
So sshd and the FTP servers are in a namespace with a loopback of its own.  A
packet filter drops everything between the two networks except TCP to and from
the ports of sshd.
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

# Packets that are not to a port of the set, or from one, are dropped.  This
# needs no connection tracking.
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
    """Run ip(8); fails unless it exits with 0; returns its output."""
    return subprocess.run(["ip", *args], check=True, capture_output=True,
                          text=True).stdout


def _free_port(address):
    """Return a free port, which the kernel does not choose again for a minute.

    It is in use by a connection in TIME_WAIT.  A server that names the port
    and sets SO_REUSEADDR can bind it nevertheless.
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
    """Kill everything in a namespace that a test has made, and remove it."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        for pid in map(int, ip("netns", "pids", name).split()):
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                wait_gone(pid, 5)
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        ip("netns", "del", name)


@functools.cache  # once; otherwise it would remove our own namespaces
def _remove_dead():
    """Remove the namespaces of test runs that were killed.

    The name of a namespace contains the pid of the run.
    """
    if os.path.isdir("/run/netns"):
        for name in os.listdir("/run/netns"):
            match = re.fullmatch(r"culvert-(\d+)(-\w+)?", name)
            if match and (int(match[1]) == os.getpid()
                          or not os.path.exists(f"/proc/{match[1]}")):
                _remove(name)


def _setns(path):
    """Move the calling thread into the namespace of a file."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class Host:
    """A network namespace, which has only a loopback at first.

    name is its name below /run/netns, which must begin with "culvert-" and our
    pid.
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
        """Move the calling thread into the namespace, for the context's time.

        The sockets that it makes there and the processes that it starts there
        stay in the namespace.
        """
        with open("/proc/thread-self/ns/net") as before:
            self._enter()
            try:
                yield
            finally:
                _setns(f"/proc/self/fd/{before.fileno()}")

    def argv(self, argv):
        """Return a command that becomes argv inside, with the same pid."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, argv, **options):
        """Run a command inside to its end; fails unless it exits with 0."""
        return subprocess.run(self.argv(argv), check=True,
                              capture_output=True, **options)

    def call(self, function, *args):
        """Call a function in a thread that is always inside.

        A socket that is made there stays inside; any thread may use it.
        """
        return self._thread.submit(function, *args).result(FAILSAFE)

    def socket(self, family=socket.AF_INET):
        """Return a new TCP socket of the far network."""
        return self.call(socket.socket, family, socket.SOCK_STREAM)

    def free_port(self, address="127.0.0.1"):
        """Return a free port for a server inside: see _free_port()."""
        return self.call(_free_port, address)

    def listening(self, port, address=None):
        """Return whether a process inside listens on that port.

        address: only at this address, or at all addresses.
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
        """Kill all processes inside, and remove the namespace."""
        self._thread.shutdown()
        _remove(self.name)


class Here:
    """This host's network, with the methods that servers.Server needs."""

    @staticmethod
    def argv(argv):
        """Return a command that becomes argv, in a mount namespace of its own.

        `ip netns exec` makes one, too.
        """
        return ["unshare", "--mount", *argv]

    @staticmethod
    def call(function, *args):
        """Call a function."""
        return function(*args)

    @staticmethod
    def free_port(address="127.0.0.1"):
        """Return a free port for a server: see _free_port()."""
        return _free_port(address)

    listening = Host.listening


class Namespace(Host):
    """A network namespace, connected to ours by a veth pair with a filter.

    near4 and near6 are our addresses on the pair, far4 and far6 those inside.
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
        """Permit TCP to and from one more port of the far host."""
        self.run(["nft", "add", "element", "inet", "far", "ssh",
                  f"{{ {port} }}"])

    def close(self):
        """Kill all processes inside, and remove the namespace and the pair."""
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            ip("link", "del", self.veth)
        super().close()
