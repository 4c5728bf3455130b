"""What a cell of the table of faults runs on: its processes, and their count.

A Rig is a culvert with a client and a server (peers.py) that stop at a point
of their session.  Several rigs run at the same time and share an sshd.  The
ssh of each connects from an address of its own, by which its link can be cut
or silenced, and its processes of sshd can be found.
"""

import collections
import contextlib
import ctypes
import itertools
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import time

import netns
import peers
from culvert import REPO, Culvert
from process import Process, descendants, until

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_PIDFD_GETFD = 438

PEERS = str(pathlib.Path(peers.__file__))

# ServerAliveInterval and ServerAliveCountMax.
ALIVE_S, ALIVE_COUNT = 2, 3

CONFIG = """\
Host *
    BindAddress {address}
    ServerAliveInterval {alive}
    ServerAliveCountMax {count}
"""

# These chains come before all other filters.  The set "silent" has the
# addresses of links that carry nothing.
RULES = """
table ip faults {
    set silent { type ipv4_addr; }
    chain in {
        type filter hook input priority -10; policy accept;
        ip saddr @silent drop
    }
    chain out {
        type filter hook output priority -10; policy accept;
        ip daddr @silent drop
    }
}
"""


def limit(name):
    """Return a maximum of src/limits.h, in seconds if it is a time."""
    text = (REPO / "src/limits.h").read_text()
    value = int(re.search(rf"^#define LIMIT_{name} (\d+)$", text, re.M)[1])
    return value / 1000 if name.endswith("_MS") else value


class Links:
    """The addresses that links come from; cuts or silences a link."""

    def __init__(self, ns):
        self.ns = ns
        number = os.getpid() % 16384
        net = f"100.{64 + number // 256}.{number % 256}"
        self._free = queue.SimpleQueue()
        for last in range(1, 255):
            self._free.put(f"{net}.{last}")
        netns.ip("-n", ns.name, "route", "add", f"{net}.0/24", "dev", "near")
        self._made = set()
        # Ports for far servers, each used once.
        self.ports = itertools.count(10_000)
        ns.run(["nft", "-f", "-"], input=RULES, text=True)

    @contextlib.contextmanager
    def address(self):
        """Return an address to connect from, for the time of the context."""
        one = self._free.get()
        if one not in self._made:
            netns.ip("addr", "add", f"{one}/32", "dev", self.ns.veth)
            self._made.add(one)
        try:
            yield one
        finally:
            self._free.put(one)

    def silence(self, address, on):
        """Drop all packets of that link, or let them pass again."""
        self.ns.run(["nft", "add" if on else "delete", "element", "ip",
                     "faults", "silent", f"{{ {address} }}"])

    def cut(self, address):
        """Reset the link, so that both ends notice at once."""
        before = self.inodes(address)

        def is_cut():
            self.ns.run(["ss", "-K", "-t", "dst", address])
            return not before & self.inodes(address)
        until(is_cut, "the connection is closed")

    def sockets(self, remote, state):
        """Return the inodes of far TCP sockets, from /proc/net/tcp.

        remote and state are regular expressions for its columns.  Closed
        sockets, of which there may be thousands, have no inode.
        """
        def read():
            with open("/proc/thread-self/net/tcp") as file:
                return file.read()
        return {inode for inode in re.findall(
            rf"^ *\d+: \S+ {remote}:\S+ {state} (?:\S+ +){{5}}(\d+)",
            self.ns.call(read), re.M) if inode != "0"}

    def inodes(self, address):
        """Return the inodes of far sockets that are connected to address."""
        return self.sockets("".join(
            f"{int(one):02X}" for one in reversed(address.split("."))), r"\S+")

    def listening(self):
        """Return the inodes of far sockets that listen."""
        return self.sockets(r"\S+", "0A")


def sockets_of(pid):
    """Return the inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                name = os.readlink(f"/proc/{pid}/fd/{fd}")
                if name.startswith("socket:["):
                    found.add(name[8:-1])
    return found


def kind_of_socket(pidfd, fd):
    """Return what kind of socket a file descriptor of a process is.

    It looks at a duplicate, because /proc/net lists all sockets of the host,
    which may be tens of thousands.
    """
    number = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
    if number < 0:
        raise FileNotFoundError
    with socket.socket(fileno=number) as sock:
        if sock.family == socket.AF_UNIX:
            return "Unix socket"
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return "other socket"
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return "TCP listener" if listens else "TCP socket"


def count_kinds(pid):
    """Return how many file descriptors of each kind a process has."""
    kinds = collections.Counter()
    pidfd = os.pidfd_open(pid)
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                name = os.readlink(f"/proc/{pid}/fd/{fd}")
                if name.startswith("socket:["):
                    name = kind_of_socket(pidfd, int(fd))
                kinds[re.sub(r":?\[\d+\]", "", name)] += 1
    finally:
        os.close(pidfd)
    return kinds


def describe_sockets(pid):
    """Return what ss(8) prints about a process's sockets, as lines."""
    text = subprocess.run(["ss", "-Hanp", "-t", "-x"], capture_output=True,
                          text=True, check=True).stdout
    return [line for line in text.splitlines() if f",pid={pid}," in line]


class Peer(Process):
    """A client or server of peers.py, which stops at a point."""

    def __init__(self, role, plan, port, inside):
        argv = ["/usr/bin/python3", "-I", PEERS, role, plan.name, plan.mode,
                plan.direction, str(plan.size), str(port)]
        with inside:
            super().__init__(argv, role, stdin=subprocess.PIPE)

    def go(self):
        """Let it continue from its point."""
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()

    def kill(self):
        """Kill it, and reap it."""
        super().kill()
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()


class Rig:
    """The parties of a cell.  A context manager, which ends them all.

    With plan.tunnel "L" the server is in the far network, with "R" the client.
    """

    def __init__(self, links, sshd, directory, plan):
        self.links, self.sshd, self.plan = links, sshd, plan
        self.remote = plan.tunnel == "R"
        self.directory = directory
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count()
        self.address = self.culvert = self.server = self.client = None
        self.sessions = 0

    def __enter__(self):
        try:
            self.address = self._stack.enter_context(self.links.address())
            self.start_server(0 if self.remote else next(self.links.ports))
            self.start_culvert()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _started(self, process):
        self._stack.callback(process.kill)
        return process

    def _inside(self, far):
        """Return a context, in the far network or in this one."""
        return self.links.ns.inside() if far else contextlib.nullcontext()

    def start_server(self, port):
        """Start the FTP server; its first session is number 0."""
        self.server = self._started(Peer("server", self.plan, port,
                                         self._inside(not self.remote)))
        self.server.port = int(self.server.wait_line(r"^port (\d+)")[1])
        self.sessions = 0

    def start_culvert(self):
        """Start a culvert, in a directory of its own."""
        place = self.directory / str(next(self._numbers))
        place.mkdir()
        config = self.directory / "ssh_config"
        config.write_text(
            CONFIG.format(address=self.address, alive=ALIVE_S,
                          count=ALIVE_COUNT)
            + pathlib.Path(self.sshd.config).read_text())
        tunnels = [f"0:127.0.0.1:{self.server.port}"]
        self.culvert = self._started(Culvert(
            place, [] if self.remote else tunnels, str(config),
            remotes=tunnels if self.remote else [], options=["-v"],
            retry=None))

    def start_client(self, plan):
        """Start an FTP client."""
        self.client = self._started(Peer("client", plan, self.culvert.port,
                                         self._inside(self.remote)))
        self.sessions += 1
        return self.client

    def whole_session(self, plan):
        """Play a session without a fault; fails unless it is successful."""
        place = self.culvert.mark()
        client = self.start_client(plan.without_point())
        client.wait_line("^done")
        assert "reply 221 bye" in client.lines, \
            f"a session without a fault has failed:\n{client.output}"
        self.server.wait_line(f"^{self.sessions - 1}: done")
        if plan.direction == "download":
            client.wait_line("^data whole")
        else:
            self.server.wait_line(f"^{self.sessions - 1}: data whole")
        self.culvert.wait_log(r"\] ended$", start=place)

    # ---- processes ----

    def sshd_pids(self):
        """Return the processes of sshd for this link."""
        wanted = self.links.inodes(self.address)
        return [pid for pid in descendants(self.sshd.process.pid)
                if wanted & sockets_of(pid)]

    def signal(self, who, number):
        """Send a signal to a party, given by its name."""
        pids = {"ssh": lambda: [self.culvert.ssh],
                "sshd listener": lambda: [self.sshd.process.pid],
                "sshd connection": self.sshd_pids,
                "server": lambda: [self.server.pid],
                "client": lambda: [self.client.pid],
                "culvert": lambda: [self.culvert.pid]}[who]()
        assert pids, f"there is no {who}"
        for pid in pids:
            os.kill(pid, number)
        return [(pid, number) for pid in pids]

    # ---- what could be left behind ----

    def count(self):
        """Count everything that could be left behind, by kind."""
        kinds = collections.Counter(
            {f"culvert: {kind}": count
             for kind, count in count_kinds(self.culvert.pid).items()})
        self.culvert.see()
        for pid in descendants(self.culvert.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/comm") as file:
                    kinds[f"child: {file.read().strip()}"] += 1
        kinds["files"] = sum(
            len(names) + len(files)
            for _, names, files in os.walk(self.culvert.dir))
        listening = self.links.listening()
        for pid in self.sshd_pids():
            kinds["sshd: process"] += 1
            kinds["sshd: remote forward"] += len(listening & sockets_of(pid))
        return kinds

    def settled_count(self):
        """Return count(), when it no longer changes."""
        seen, last = [], 0.0

        def settled():
            nonlocal last
            if time.monotonic() - last >= 0.1:
                last = time.monotonic()
                seen.append(self.count())
            return len(seen) >= 3 and seen[-1] == seen[-2] == seen[-3]
        until(settled, "nothing is opened or closed", 60)
        return seen[-1]

    def check_nothing_more(self, before):
        """Fail unless count() is soon no more than before."""
        more = {}

        def same():
            more.clear()
            more.update(self.count() - before)
            return not more
        try:
            until(same, "nothing is left behind", 60)
        except AssertionError:
            raise AssertionError(
                f"left behind: {more}; of culvert's sockets there are\n"
                + "\n".join(describe_sockets(self.culvert.pid))) from None

    def let_go(self, stopped):
        """Continue the processes that signal() has stopped."""
        for pid, number in stopped:
            if number == signal.SIGSTOP:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
