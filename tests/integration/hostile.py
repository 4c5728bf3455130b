"""Common parts of the tests with hostile peers.

Rig has a culvert with two tunnels, one to a real server and one to a scripted
one.  While a test plays the hostile peer in the second, a Companion transfers
files through the first.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import threading

import limits
import scripted
from culvert import sanitized
from limits import kib
from process import FAILSAFE, count_fds, until
from sessions import ports_of
from transfer import MODES, Ftp

# All windows together: --max-memory.
MAX_MEMORY_KIB = 16 * 1024

# culvert's own memory, independent of peers: malloc's reserves and lists.
SLACK_KIB = 2048

# The memory of a session's control connections: what is read but not
# processed, what is queued, and one read, in both directions.
CONTROL_KIB = 2 * kib("LIMIT_CONTROL_INPUT", "LIMIT_HIGH_WATER",
                      "LIMIT_READ_CHUNK", "LIMIT_WINDOW_SMALL")

# The memory of a data connection in one direction, besides its window.
DATA_KIB = kib("LIMIT_HIGH_WATER", "LIMIT_READ_CHUNK", "LIMIT_READ_CHUNK")

FILE = 1 << 20


def peak_kib(pid):
    """Return the peak memory of a process since forget_peak(), in KiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", text)[1])


def forget_peak(pid):
    """Reset the peak that peak_kib() returns."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class Companion:
    """A well-behaved client: endless transfers, down and up, in both modes.

    Each transfer must succeed, with the right bytes, within FAILSAFE seconds.
    """

    def __init__(self, culvert, server, directory, modes):
        self._modes, self._culvert = modes, culvert
        self._server, self._dir = server, directory
        self._content = os.urandom(FILE)
        (directory / "file").write_bytes(self._content)
        self._done, self._stopping = 0, False
        self._changed = threading.Condition()
        self._future = scripted.start(self._run)
        self.proceed(2)

    def _run(self):
        try:
            with Ftp(self._culvert, self._server) as ftp:
                while not self._stopping:
                    mode = self._modes[self._done % len(self._modes)]
                    self._transfer(ftp, mode)
                    with self._changed:
                        self._done += 1
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._stopping = True
                self._changed.notify_all()

    def _transfer(self, ftp, mode):
        name = self._dir.name
        got = ftp.fetch(mode, f"RETR {name}/file")
        assert hashlib.sha256(got).digest() == \
            hashlib.sha256(self._content).digest()
        with ftp.begin(mode, f"STOR {name}/stored") as data:
            data.send(self._content)
            data.half_close()
            ftp.expect("226")
        assert (self._dir / "stored").read_bytes() == self._content

    def proceed(self, count=1):
        """Wait until it has done count rounds that begin after this call."""
        with self._changed:
            wanted = self._done + count + 1
            enough = self._changed.wait_for(
                lambda: self._done >= wanted or self._stopping, FAILSAFE)
        if self._stopping:
            self.stop()
        assert enough, "the other session's transfers stand still"

    def stop(self):
        """End it; fails if one of its transfers has failed."""
        self._stopping = True
        self._future.result(FAILSAFE)


class Rig:
    """A culvert, and what it used before the attack."""

    def __init__(self, culvert, server, listener, ns, directory):
        self.culvert, self.listener, self.ns = culvert, listener, ns
        self._server, self._dir = server, directory
        self.companion = None

    def measure(self, modes=MODES):
        """Start the companion, and store what culvert uses now."""
        with Ftp(self.culvert, self._server) as ftp:
            for mode in MODES:
                ftp.fetch(mode, f"RETR {self._dir.name}/small")
        self.fds, self.ports = self._fds(), ports_of(self.culvert.pid)
        self.companion = Companion(
            self.culvert, self._server, self._dir, modes)
        self._base = peak_kib(self.culvert.pid)
        forget_peak(self.culvert.pid)
        self._mark = self.culvert.mark()

    def _fds(self):
        return count_fds(self.culvert.pid)

    def open(self, source=None, log_in=True):
        """Open a session through the hostile tunnel: (client, server)."""
        client = scripted.client(*self.culvert.listeners[1], source=source)
        server = self.listener.accept()
        if log_in:
            scripted.log_in(client, server)
        return client, server

    @contextlib.contextmanager
    def session(self, **how):
        """Open a session as open() does, and close it at the end."""
        client, server = self.open(**how)
        with client, server:
            yield client, server

    def check(self, kib_more, lines=60):
        """Fail unless the companion works and the limits were kept so far.

        kib_more: how much memory the attack may use; lines: how many lines it
        may cause in the log.
        """
        self.companion.proceed()
        bound = self._base + SLACK_KIB + kib_more
        if sanitized():
            bound *= 2  # red zones, shadow bytes, a quarantine
        peak = peak_kib(self.culvert.pid)
        print(f"peak {peak} KiB, {peak - self._base} more than before;"
              f" the bound is {bound}; {self.culvert.mark() - self._mark}"
              " lines were logged")
        assert peak <= bound, f"{peak} KiB, {bound} are allowed"
        said = self.culvert.process.lines[self._mark:]
        assert len(said) <= lines, f"{len(said)} lines, such as {said[-1]}"

    def more_ports(self):
        """Return the ports on which it listens since the attack."""
        return ports_of(self.culvert.pid) - self.ports

    def nothing_left(self):
        """Fail unless everything is as before the attack."""
        self.companion.stop()
        # Far listeners are kept for the next data connections.
        allowed = self.fds + limits.LIMIT_IDLE_FORWARDS
        until(lambda: self._fds() <= allowed,
              f"culvert has at most {allowed} file descriptors")
        until(lambda: not self.more_ports(), "its listeners are gone")

