"""Sessions of the gateway that stop at a point of an upload, and faults there.

A Cell is such a session.  The SFTP server behind it is hold_sftp.py, which
stops the upload at the point.  After each fault check_all() looks at what is
left.
"""

import contextlib
import dataclasses
import os
import pathlib
import queue
import random
import signal
import socket
import threading

import pytest

import sshd as sshd_module
from clients import Target
from process import FAILSAFE, descendants, until
from transfer import MODES, Ftp, hand_over, kill

from transfer import MODES, Ftp, hand_over, kill

SMALL, BIG = (1, 5000), 5_000_000
# KEPT is what REST keeps of the old file.
KEPT = b"the old file\n" * 100
OLD = KEPT + bytes(1_000_000)

HOLD = pathlib.Path(__file__).parent / "hold_sftp.py"


def content(size):
    """Return the content of a new file of that size."""
    return random.Random(size).randbytes(size)


# ---- the SFTP server ----

class Held:
    """The sftp-server of one session, behind hold_sftp.py."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(FAILSAFE)
        self.proxy, self.server = map(int, sock.recv(100).split())

    def wait(self):
        """Wait until it holds a packet."""
        assert self.sock.recv(100) == b"held\n"

    def go(self):
        """Let it continue."""
        with contextlib.suppress(BrokenPipeError):
            self.sock.send(b"go\n")


class Holder:
    """Meets the SFTP servers of the sessions; each gets the current rule."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(100)
        self.rule, self.met = "go", queue.SimpleQueue()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                one = Held(self.listener.accept()[0])
                one.sock.send(self.rule.encode() + b"\n")
                self.met.put(one)

    def open(self, rule, function):
        """Call a function that opens a session; returns (result, Held)."""
        self.rule = rule or "go"
        result = function()
        held = self.met.get(timeout=FAILSAFE)
        self.rule = "go"
        return result, held

    def forget(self):
        """Forget the servers of sessions that nobody needs."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.met.get_nowait()


@pytest.fixture(scope="session")
def holder(directories):
    """Return what meets the SFTP servers."""
    one = Holder(directories() / "holder")
    yield one
    one.listener.shutdown(socket.SHUT_RDWR)
    one.listener.close()


def subsystem(holder, *arguments):
    """Return the line of sshd_config; arguments are those of sftp-server."""
    return " ".join(["Subsystem sftp exec /usr/bin/python3 -I -S", str(HOLD),
                     holder.path, *arguments])


@pytest.fixture(scope="session")
def held_sshd(ns, directories, holder):
    """Return an sshd whose SFTP server is hold_sftp.py."""
    server = sshd_module.Sshd(ns, directories(), [
        sshd_module.QUICK, "MaxSessions 500",
        subsystem(holder)])
    yield server
    server.stop()


def connections(sshd):
    """Return the processes of an sshd that serve a connection."""
    return [pid for pid in descendants(sshd.process.pid)
            if name_of(pid).startswith("sshd")]


def name_of(pid):
    """Return the name of a process."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


# ---- the points ----

@dataclasses.dataclass(frozen=True)
class Point:
    """Where an upload stops.

    rule: for hold_sftp.py; sent: the part of the file that the client has
    sent, None: it has not even sent the command; ended: it has sent the end;
    mode: of the data connection, None: any.
    """

    name: str
    rule: str = ""
    sent: float | None = 0
    ended: bool = False
    mode: str | None = None


BEGUN = Point("begun")

POINTS = [
    Point("idle", sent=None, mode="passive"),
    Point("unconnected", mode="passive"),
    Point("opening", "hold reply OPEN 1", mode="passive"),
    BEGUN,
    Point("middle", sent=0.5),
    Point("sent", sent=1),
    Point("waiting", "hold reply WRITE 1", sent=1),
    Point("unanswered", "hold reply WRITE 1", 1, True),
    Point("closing", "hold reply CLOSE 1", 1, True),
    Point("renaming", "hold request RENAME 1", 1, True),
    Point("renamed", "hold reply RENAME 1", 1, True),
    Point("stored", sent=1, ended=True),
]


class Cell:
    """An upload that stops at a point."""

    def __init__(self, point, size, mode, folder, kind="STOR",
                 in_place=False):
        self.point, self.size, self.mode = point, size, mode
        self.new, self.folder = content(size), folder
        self.kind, self.in_place = kind, in_place
        self.codes, self.ftp, self.held = [], None, None
        self.data = self.connect = None
        self.folder.mkdir(parents=True)
        self.path = folder / "file"
        self.path.write_bytes(OLD)

    def __str__(self):
        return f"{self.kind} {self.point.name}, {self.size} bytes, {self.mode}"

    def open(self, tunnel, holder):
        """Open the session."""
        self.ftp, self.held = holder.open(self.point.rule, lambda: Ftp(
            Target(*tunnel.listeners[0], "anybody", "anything")))

    def command(self):
        """Send the command of the upload."""
        if self.kind == "REST":
            self.ftp.exchange(f"REST {len(KEPT)}", "350")
        verb = "STOR" if self.kind == "REST" else self.kind
        self.ftp.command(f"{verb} {self.path}")

    def start(self):
        """Go to the 150, without the point."""
        self.data = self.ftp.prepare("passive")()
        self.command()
        self.ftp.expect("150")

    def run(self):
        """Upload the whole file, if the server permits it."""
        self.data = self.ftp.prepare("passive")()
        self.command()
        self.send_rest()
        self.read_replies(1)
        self.ftp.exchange("PWD", "257")

    def begin(self):
        """Go to the point."""
        self.connect = self.ftp.prepare(self.mode)
        if self.mode == "passive" and self.point.name != "unconnected":
            self.data = self.connect()
        if self.point.sent is None:
            return
        self.command()
        if self.point.name == "unconnected":
            # What comes behind it on the connection to culvert has been read.
            self.ftp.wait_taken()
            return
        if self.point.name == "opening":
            self.held.wait()
            return
        self.data = self.data or self.connect()
        self.ftp.expect("150")
        self.data.send(self.new[:int(self.size * self.point.sent)])
        self.data.wait_taken()
        if self.point.ended:
            self.data.half_close()
        if self.point.rule:
            self.held.wait()
        if self.point.name == "stored":
            self.replied(self.ftp.expect("226"))

    # ---- what a client does ----

    def replied(self, text):
        """Note a final reply."""
        if not text.startswith("1"):
            self.codes.append(text[:3])
        return text

    def send_rest(self):
        """Send what is left, and the end, whether somebody takes it or not."""
        if self.point.sent is None or self.point.ended:
            return
        with contextlib.suppress(OSError):
            self.data = self.data or self.connect()
            self.data.send(self.new[int(self.size * self.point.sent):])
            self.data.half_close()

    def read_to_end(self):
        """Read replies to the end of the control connection."""
        with contextlib.suppress(OSError):
            while text := self.ftp.read_reply():
                self.replied(text)

    def read_replies(self, count):
        """Read so many final replies; fewer only if the session ends."""
        while len(self.codes) < count:
            text = self.replied(self.ftp.read_reply())
            if not text:
                return

    def give_up(self):
        """Close both connections."""
        if self.data is not None:
            self.data.close()
        self.ftp.__exit__()

    # ---- what must hold ----

    def left(self):
        """Return the names beside the target."""
        return [name for name in os.listdir(self.folder) if name != "file"]

    def check_in_place(self):
        """Fail unless the target has a part of the new file, without gaps.

        Before the first byte was written, it may be the old file.
        """
        got = self.path.read_bytes()
        before = {"STOR": b"", "APPE": OLD, "REST": KEPT}[self.kind]
        good = got == OLD or (before + self.new).startswith(got) and \
            len(got) >= len(before)
        assert good, f"{self}: {len(got)} bytes"
        if got == OLD or len(got) < len(before + self.new):
            if self.codes and self.point.sent is not None:
                assert not self.codes[0].startswith("2"), \
                    f"{self}: {self.codes}"

    def check(self, may_end=False):
        """Fail unless the target is the old file, or the new one if it may be.

        may_end: the client has sent the rest, and the end, after the fault.
        """
        if self.in_place:
            self.check_in_place()
            return
        got = self.path.read_bytes()
        good = got in (OLD, self.new)
        assert good, f"{self}: {len(got)} bytes, replies {self.codes}"
        if got == self.new:
            assert self.point.ended or may_end, f"{self}: it was replaced"
        elif self.codes and self.point.sent is not None:
            assert not self.codes[0].startswith("2"), f"{self}: {self.codes}"


def in_place_cells(folder):
    """Return cells whose uploads write to the target itself.

    STOR is for a culvert with --upload in-place.
    """
    found = []
    points = [point for point in POINTS if "RENAME" not in point.rule]
    for kind in "STOR", "APPE", "REST":
        for number, point in enumerate(points):
            size = (SMALL[1], BIG)[number % 2]
            found.append(Cell(point, size, point.mode or "passive",
                              folder / f"{kind}-{point.name}", kind,
                              in_place=True))
    return found


def cells_in(folder):
    """Return the cells of a fault: at each point a small and a big file."""
    found = []
    for number, point in enumerate(POINTS):
        for size in SMALL[(number + 1) % 2], BIG:
            mode = point.mode or MODES[(number + (size == BIG)) % 2]
            found.append(Cell(point, size, mode,
                              folder / f"{point.name}-{size}"))
    return found


@contextlib.contextmanager
def playing(cells, tunnel, holder):
    """Bring the cells to their points; end them at the end."""
    with contextlib.ExitStack() as stack:
        for cell in cells:
            cell.open(tunnel, holder)
            stack.callback(cell.give_up)
            stack.callback(cell.held.go)
        for cell in cells:
            cell.begin()
        yield


def settle(cells):
    """Let the servers continue; wait until no temporary file is left."""
    for cell in cells:
        cell.held.go()
    for cell in cells:
        until(lambda cell=cell: not cell.left(), f"{cell}: {cell.left()} gone")


def check_all(cells, may_end=False):
    """Check all cells, and that nothing is left beside the targets."""
    for cell in cells:
        cell.check(may_end)
        assert not cell.left(), f"{cell}: {cell.left()}"


@pytest.fixture
def gateway(held_sshd, start_culvert):
    """Return a culvert with a gateway."""
    return start_culvert("sftp/0", sshd=held_sshd, options=["-vv", "--survive", "0"],
                         retry="forever")


@pytest.fixture
def in_place(held_sshd, start_culvert):
    """Return a culvert whose gateway always writes in place."""
    return start_culvert("sftp/0", sshd=held_sshd, options=[
        "-vv", "--survive", "0", "--upload", "in-place"], retry="forever")


# ---- faults of one client ----

def killed(*order):
    """Return a function that kills the client."""
    def strike(cell):
        wires = {"control": cell.ftp, "data": cell.data}
        kill(hand_over(*(wires[one] for one in order if wires[one])))
    return strike


def data_reset(cell):
    """Reset the data connection; the session continues."""
    cell.data = cell.data or cell.connect()
    cell.data.reset()
    if cell.point.sent is not None and cell.point.name != "stored":
        cell.held.go()
        cell.read_replies(1)
        assert not cell.point.ended or cell.codes[0] in ("226", "426")
    cell.ftp.exchange("PWD", "257")


def control_reset(cell):
    """Reset the control connection; the data go on, for as long as they can."""
    cell.ftp.reset()
    cell.send_rest()


def aborted(cell, synch, *ahead):
    """Send ABOR, with the sequence of RFC 959 section 4.1.3 before it or not.

    ahead: commands between the transfer and ABOR.  They, and a transfer that
    runs, are answered as well.
    """
    for command in ahead:
        cell.ftp.command(command)
    if synch:
        cell.ftp.send(b"\xff\xf4")
        cell.ftp.send_urgent(b"\xff\xf2")
    cell.ftp.command("ABOR")
    cell.held.go()
    cell.read_replies((1 if cell.point.sent is None else 2) + len(ahead))
    cell.ftp.exchange("PWD", "257")


def server_killed(cell):
    """Kill sftp-server."""
    os.kill(cell.held.server, signal.SIGKILL)
    cell.held.go()
    cell.send_rest()
    cell.read_to_end()


CLIENT_FAULTS = {
    "killed-control-first": killed("control", "data"),
    "killed-data-first": killed("data", "control"),
    "data-reset": data_reset,
    "control-reset": control_reset,
    "abor": lambda cell: aborted(cell, False),
    "abor-synch": lambda cell: aborted(cell, True),
    "abor-behind": lambda cell: aborted(cell, False, "NOOP", "PWD"),
    "server-killed": server_killed,
}


def strike_each(name, cells):
    """Play a fault of each session."""
    for cell in cells:
        CLIENT_FAULTS[name](cell)


# ---- faults of the link, and of culvert ----

def kill_ssh(tunnel, _):
    """Kill ssh."""
    os.kill(tunnel.ssh, signal.SIGKILL)


def kill_sshd(_, held_sshd):
    """Kill sshd's process of the connection."""
    for pid in connections(held_sshd):
        os.kill(pid, signal.SIGKILL)


LINK_FAULTS = {"ssh-killed": kill_ssh, "sshd-killed": kill_sshd}


def go_on(cells):
    """The clients continue to the end of their sessions."""
    for cell in cells:
        cell.held.go()
        cell.send_rest()
    for cell in cells:
        cell.read_to_end()
