"""Two tables: faults, and the points of a session at which they are produced.

faultcell.py plays them; reliability.py prints the results.
"""

import dataclasses
import itertools
import signal

from faultrig import ALIVE_COUNT, ALIVE_S, limit
from peers import PART

# BIG is more than all buffers between client and server hold, even if the
# kernel lets a receive buffer grow to 32 MiB (tcp_rmem).
SMALL, BIG = 300_000, 64 << 20


# ---- the points ----

@dataclasses.dataclass(frozen=True)
class Place:
    """A point: who waits there, and the state of the session.

    holder: who waits: "client", "server", or the "sender" or "receiver" of the
    file.  replies: how many the client has read.  what: a description for the
    table.  other: a pattern for a line that the other party prints; None: any.
    """

    holder: str
    replies: int
    what: str
    other: str | None = None
    size: int = SMALL


PLACES = {
    "greeting": Place("server", 0, "before the greeting"),
    "user": Place("client", 2, "between USER and PASS"),
    "idle": Place("client", 3, "logged in, no transfer"),
    "asked": Place("server", 4, "after PASV or PORT, before its reply"),
    "answered": Place("client", 5, "after that reply, before the client "
                      "connects (passive) or sends RETR (active)"),
    "connected": Place("client", 5, "data connection up, no command yet"),
    "commanded": Place("server", 5, "after RETR or STOR, before the server "
                       "connects (active) or answers"),
    "opened": Place("sender", 6, "after 150, before the first byte"),
    "first": Place("sender", 6, "first byte", "have 1$"),
    "middle": Place("sender", 6, "mid-transfer", f"have {PART}$"),
    "full": Place("receiver", 6, "mid-transfer, every buffer full",
                  "blocked$", BIG),
    "last": Place("sender", 6, "all bytes have arrived, but not their end",
                  f"have {SMALL}$"),
    "ended": Place("server", 6, "end of the file, before 226"),
    "unread": Place("receiver", 6, "226 sent, most of the data not read by "
                    "the client", "said 226$"),
    "aborting": Place("server", 6, "after ABOR, before its reply"),
    "stored": Place("client", 7, "after the 226"),
    "quit": Place("server", 7, "after QUIT, before its reply"),
}

TUNNELS = ("L", "R")
MODES, DIRECTIONS = ("passive", "active"), ("download", "upload")

# Points that are played in one mode and direction only, and points before the
# command of a transfer.
ONCE = ("greeting", "user", "idle", "quit")
BEFORE = ("asked", "answered", "connected")


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of a session of one mode and direction, through -L or -R."""

    name: str
    mode: str
    direction: str
    tunnel: str

    def __str__(self):
        return f"{self.name}-{self.mode}-{self.direction}-{self.tunnel}"

    @property
    def place(self):
        """The row of PLACES."""
        return PLACES[self.name]

    @property
    def holder(self):
        """Who waits at it: "client" or "server"."""
        return self._who(self.place.holder)

    def _who(self, part):
        sender = "server" if self.direction == "download" else "client"
        return {"sender": sender, "receiver":
                "client" if sender == "server" else "server"}.get(part, part)

    @property
    def size(self):
        """The size of its file."""
        return self.place.size if self.name in PLACES else SMALL

    def without_point(self):
        """Return the same session without a point at which to wait."""
        return dataclasses.replace(self, name="none")


def is_played(name, mode, direction):
    """Return whether a point is played in this mode and direction."""
    if name in ONCE:
        return (mode, direction) == ("passive", "download")
    if name in BEFORE and direction == "upload":
        return False
    return not (name == "connected" and mode == "active"
                or name == "unread" and direction == "upload")


def all_points():
    """Return all points that are played."""
    return [Point(name, mode, direction, tunnel)
            for tunnel, name, mode, direction in itertools.product(
                TUNNELS, PLACES, MODES, DIRECTIONS)
            if is_played(name, mode, direction)]


# ---- the faults ----

@dataclasses.dataclass(frozen=True)
class Fault:
    """What is done, and to whom.

    kind: "lost" (the link is lost), "waits" (nobody notices, and the session
    continues), "server_gone", "client_gone" or "culvert_gone".  what: a
    description for the table.  who: the process that gets the signal number;
    link: what is done to the link instead.  bound: after how many seconds a
    time-out detects the fault, or 0; hold: how many seconds the fault lasts.
    """

    name: str
    kind: str
    what: str
    who: str = ""
    number: int = 0
    link: str = ""
    bound: float = 0
    hold: float = 0


ALIVE = ALIVE_S * (ALIVE_COUNT + 1)
WATCH = 4 * limit("SSH_WATCH_MS") + limit("SSH_STOP_MS")
KILL, STOP = signal.SIGKILL, signal.SIGSTOP

# BRIEF: so short that ssh does not notice, even if TCP waits before it sends
# again.  LONG: longer than culvert's own time-outs that are not about a link.
BRIEF = 1
LONG = limit("HOLD_QUIET_MS") + 2

FAULTS = {fault.name: fault for fault in (
    Fault("kill-ssh", "lost", "ssh is killed (SIGKILL)", "ssh", KILL),
    Fault("stop-ssh", "lost", "ssh is stopped (SIGSTOP) for good", "ssh",
          STOP, bound=WATCH),
    Fault("pause-ssh", "waits", "ssh is stopped for a moment", "ssh", STOP,
          hold=BRIEF),
    Fault("kill-sshd", "waits", "the sshd that listens is killed",
          "sshd listener", KILL),
    Fault("stop-sshd", "waits", "the sshd that listens is stopped",
          "sshd listener", STOP),
    Fault("kill-sshd-connection", "lost",
          "sshd's process of this connection is killed", "sshd connection",
          KILL),
    Fault("stop-sshd-connection", "lost",
          "sshd's process of this connection is stopped for good",
          "sshd connection", STOP, bound=ALIVE),
    Fault("pause-sshd-connection", "waits",
          "sshd's process of this connection is stopped for a moment",
          "sshd connection", STOP, hold=BRIEF),
    Fault("cut-link", "lost", "the SSH connection is reset", link="cut"),
    Fault("silence-link", "lost", "the link carries nothing any more",
          link="silence", bound=ALIVE),
    Fault("pause-link", "waits", "the link carries nothing for a moment",
          link="silence", hold=BRIEF),
    Fault("kill-server", "server_gone", "the FTP server is killed", "server",
          KILL),
    Fault("stop-server", "waits", "the FTP server is stopped", "server", STOP,
          hold=LONG),
    Fault("kill-client", "client_gone", "the FTP client is killed", "client",
          KILL, bound=limit("CUT_UPLOAD_MS")),
    Fault("stop-client", "waits", "the FTP client is stopped", "client", STOP,
          hold=LONG),
    Fault("kill-culvert", "culvert_gone", "culvert is killed", "culvert",
          KILL),
    Fault("stop-culvert", "waits", "culvert is stopped", "culvert", STOP,
          hold=LONG),
)}
