"""The path between the two ends: a long one over TUN, or one host's loopback.

A long path consists of two network namespaces that wan.c connects: near has
the client and the near end of every tunnel, far has sshd and the FTP servers.
With the loopback, near and far are the same namespace.  Hosts are tuned for
long paths as an administrator would do it, and in the same way for every
contender: see SYSCTLS.
"""

import contextlib
import itertools
import os
import pathlib
import re
import statistics
import subprocess
import time

import netns
from process import Process

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
WAN = BUILD / "wan"

RATE = 1_000_000_000  # bytes per second
DEVICE = "wan"
# In packets, which may be as large as segmentation offload makes them; more
# than TCP may have in flight.
DEVICE_QUEUE = 20_000

# Of both hosts.  What TCP has learned about the path from one connection must
# not change the speed of the next one (tcp_no_metrics_save).
SYSCTLS = {
    "net/ipv4/tcp_rmem": "4096 131072 67108864",
    "net/ipv4/tcp_wmem": "4096 131072 67108864",
    "net/ipv4/tcp_no_metrics_save": "1",
    "net/ipv4/ip_local_port_range": "20000 60999",
}

# The kernel's default, in case this machine has another one.  It is set in
# routes, because a namespace may not set it.
CONGESTION = "cubic"

_numbers = itertools.count(1)


def build_wan():
    """Compile wan.c, if it is newer than the program."""
    source = HERE / "wan.c"
    if WAN.exists() and WAN.stat().st_mtime >= source.stat().st_mtime:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE",
                    "-O2", "-Wall", "-Wextra", "-o", WAN, source], check=True)


class Host(netns.Host):
    """One end; far4 and far6 are the addresses that Sshd listens on."""

    def __init__(self, role, far4, far6):
        self.far4, self.far6 = far4, far6
        super().__init__(f"culvert-{os.getpid()}-{role}{next(_numbers)}")
        self.call(self._tune)

    @staticmethod
    def _tune():
        for name, value in SYSCTLS.items():
            with contextlib.suppress(FileNotFoundError):
                pathlib.Path("/proc/sys", name).write_text(value)

    def let_in(self, port):
        """Do nothing: here is no packet filter."""

    def start(self, argv, **popen):
        """Start a command inside, faster than with `ip netns exec`."""
        with self.inside():
            return subprocess.Popen(argv, **popen)


class Loopback:
    """Both ends on one host."""

    rtt, mtu = None, None

    def __init__(self):
        self.near = self.far = Host("host", "127.0.0.1", "::1")
        for address in "127.0.0.0/8", "127.0.0.1":
            netns.ip("-n", self.near.name, "route", "replace", "local",
                     address, "dev", "lo", "table", "local", "proto",
                     "kernel", "scope", "host", "src", "127.0.0.1",
                     "congctl", CONGESTION)

    def close(self):
        """Remove it, and all that runs there."""
        self.near.close()

    def __str__(self):
        return "loopback"


class Wan:
    """Two hosts with a long path between them: rtt in ms, rate in bytes/s."""

    NEAR, FAR = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")

    def __init__(self, rtt, mtu=1500, rate=RATE):
        self.rtt, self.mtu, self.rate = rtt, mtu, rate
        self._stack = contextlib.ExitStack()
        try:
            self.near = self._host("near", self.NEAR)
            self.far = self._host("far", self.FAR)
            self._join()
        except BaseException:
            self.close()
            raise

    def _host(self, role, addresses):
        return self._stack.enter_context(
            contextlib.closing(Host(role, *addresses)))

    def _join(self):
        self._wan = Process([
            str(WAN), "--device", DEVICE, "--rtt", str(self.rtt), "--rate",
            str(self.rate), *(f"/run/netns/{host.name}"
                              for host in (self.near, self.far))], "wan")
        self._stack.callback(self._wan.stop)
        self._wan.wait_line("^wan: ready")
        for host, own, peer in ((self.near, self.NEAR, self.FAR),
                                (self.far, self.FAR, self.NEAR)):
            there = "-n", host.name
            for address, other in zip(own, peer):
                netns.ip(*there, "addr", "add", address, "peer", other,
                         "dev", DEVICE, *(["nodad"] if ":" in other else []))
            netns.ip(*there, "link", "set", "dev", DEVICE, "mtu",
                     str(self.mtu), "txqueuelen", str(DEVICE_QUEUE), "up")
            netns.ip(*there, "route", "replace", peer[0], "dev", DEVICE,
                     "src", own[0], "congctl", CONGESTION)

    def measured_rtt(self, count=15):
        """Return the round-trip time in ms: the median of some connects."""
        times = []
        with self.far.socket() as listener:
            listener.bind((self.far.far4, 0))
            listener.listen(count)
            for _ in range(count):
                with self.near.socket() as sock:
                    begin = time.perf_counter()
                    sock.connect(listener.getsockname())
                    times.append((time.perf_counter() - begin) * 1e3)
        return statistics.median(times)

    def lost(self):
        """Return how many packets were dropped; call it after close()."""
        return sum(int(number) for number in re.findall(
            r"(\d+) (?:dropped|refused)", self._wan.output))

    def close(self):
        """Remove it, and all that runs there."""
        self._stack.close()

    def __str__(self):
        return f"{self.rtt:g} ms, MTU {self.mtu}"
