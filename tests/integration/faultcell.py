"""A cell of the table of faults: one fault at one point of a session.

Cell.run() plays a session up to the point, produces the fault, and lets the
session continue.  It checks what must hold after every fault (check_truth and
check_next: no cut transfer is called complete, the next session works, and
nothing is left behind), and what must hold for this kind of fault (the method
with the name of the kind).  All waits have a bound, which follows from the
time-out that is documented for the fault.  It returns what each party has
seen; doc/reliability.md is made from that.
"""

import contextlib
import os
import re
import time

from faultrig import Rig
from faults import KILL
from peers import WARM
from process import FAILSAFE, Timeout, until, wait_gone

# Seconds to add to a bound because the machine may be busy.
SLACK = 10
# Seconds to add for the big file, whose reader has a small buffer.
BIG_SLACK = 20

# In place of what a party has seen: nothing unusual; the party was killed.
AS_EVER, NOBODY = "no difference", "-"


class Cell:
    """One fault at one point."""

    def __init__(self, fault, point):
        self.fault, self.point = fault, point
        self.rig = self.before = None
        self.marks, self.stopped, self.undone = {}, [], False
        self.struck = self.told = 0.0

    def __str__(self):
        return f"{self.fault.name} at {self.point}"

    def run(self, links, sshd, directory):
        """Play it, check it, and return what was seen, as a dict."""
        with Rig(links, sshd, directory, self.point) as self.rig:
            try:
                # From the second session on, culvert keeps a far listener in
                # reserve, and settled_count() stays the same.
                for _ in range(WARM):
                    self.rig.whole_session(self.point)
                self.before = self.rig.settled_count()
                self.play()
                self.strike()
                getattr(self, self.fault.kind)()
                if self.fault.kind != "culvert_gone":
                    self.rig.culvert.wait_log(
                        rf"\[{WARM + 1}\] ended$",
                        start=self.marks["culvert"])
                self.check_truth()
                seen = self.seen()
                self.check_next()
                self.end()
            except AssertionError as error:
                raise AssertionError(f"{self}: {error}\n{self.tell()}") \
                    from error
        return seen

    def tell(self):
        """Return what all parties have printed, to explain a failure."""
        rig = self.rig
        return "\n".join(
            f"--- {name}, from line {self.marks.get(name, 0)}\n"
            + "\n".join(line for line in one.lines if "ssh: debug" not in line)
            for name, one in (
                ("client", rig.client), ("server", rig.server),
                ("culvert", rig.culvert and rig.culvert.process))
            if one is not None)

    def play(self):
        """Play the session up to the point."""
        rig, point = self.rig, self.point
        self.client, self.server = rig.start_client(point), rig.server
        parties = {"client": self.client, "server": self.server}
        parties[point.holder].wait_line(rf"\bat {point.name}$")
        until(lambda: len(self.replies(always=True)) == point.place.replies,
              f"the client has read {point.place.replies} replies")
        if point.place.other:
            other = {"client": "server", "server": "client"}[point.holder]
            until(lambda: self.has(other, point.place.other, always=True),
                  f"{other} says {point.place.other}")
        self.holder = parties[point.holder]

    def strike(self):
        """Produce the fault, and let the session continue."""
        rig, fault = self.rig, self.fault
        self.marks = {"client": self.client.mark(),
                      "server": self.server.mark(),
                      "culvert": rig.culvert.mark()}
        self.ssh = rig.culvert.ssh
        self.sshd_pids = rig.sshd_pids()
        if fault.link == "cut":
            rig.links.cut(rig.address)
        elif fault.link == "silence":
            rig.links.silence(rig.address, True)
        else:
            self.stopped = rig.signal(fault.who, fault.number)
        self.struck = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            self.holder.go()

    def undo(self):
        """End the fault; start again what was killed."""
        rig, fault = self.rig, self.fault
        if self.undone:
            return
        self.undone = True
        rig.let_go(self.stopped)
        if fault.link == "silence":
            rig.links.silence(rig.address, False)
        if fault.number != KILL:
            return
        if fault.who == "sshd listener":
            # Not wait(): its output ends only with its last connection.
            rig.sshd.process.popen.wait(FAILSAFE)
            rig.sshd.start()
        elif fault.who == "server":
            rig.server.wait()
            rig.start_server(rig.server.port)

    # ---- what was seen ----

    def said(self, who, always=False):
        """Return the lines of client or server since the fault, or all."""
        lines = getattr(self, who).lines[0 if always else self.marks[who]:]
        if who == "client":
            return list(lines)
        prefix = f"{WARM}: "
        return [line.removeprefix(prefix) for line in lines
                if line.startswith(prefix)]

    def found(self, who, pattern, always=False):
        """Return what the pattern's group matches in these lines."""
        return [match[1] for line in self.said(who, always)
                if (match := re.search(pattern, line))]

    def has(self, who, pattern, always=False):
        """Return whether one of these lines matches the pattern."""
        return bool(self.found(who, f"({pattern})", always))

    def replies(self, always=False):
        """Return the reply codes since the fault, or all of them."""
        return self.found("client", r"^reply (\d{3})", True)[
            0 if always else self.point.place.replies:]

    def data(self, who):
        """Return how the data connection has ended for who, or None."""
        if self.point.name in ("stored", "quit"):
            return None  # it had ended before the fault
        found = self.found(who, r"^data (\w+)", True)
        return found[0] if found else None

    def log(self):
        """Return what culvert has logged since the fault."""
        return self.rig.culvert.process.lines[self.marks["culvert"]:]

    def is_whole(self):
        """Return whether the receiver has the whole file.

        For a client that was killed, it is enough to have read the last byte.
        """
        receiver = "client" if self.point.direction == "download" else "server"
        return self.data(receiver) == "whole" or \
            self.fault.kind == "client_gone" and receiver == "client" and \
            self.has("client", f"^have {self.point.size}$", always=True)

    # ---- what must hold ----

    def check_truth(self):
        """Check that no cut transfer is called complete, nor a byte wrong."""
        point = self.point
        for one in self.client, self.server:
            assert not re.search(r"\bWRONG\b|\bLIE\b", one.output), \
                "a wrong byte, or a part that was called whole"
        if point.name in ("aborting", "stored", "quit") or self.is_whole():
            return
        good = self.found("client", r"^reply (226)", True)
        assert not good, f"{good} for a file that is not whole"
        # With a far client culvert may be wrong: SSH reports neither a reset,
        # nor which bytes sshd has not passed on yet (doc/reliability.md).
        said = [line for line in self.log() if " complete (" in line]
        assert self.rig.remote or not said, \
            f"culvert calls it complete: {said}"

    def wait_told(self, who, pattern, bound):
        """Wait for a line within a bound, and store how long it took."""
        until(lambda: self.has(who, pattern), f"{who} says {pattern}",
              bound + SLACK + (BIG_SLACK if self.point.name == "full" else 0))
        self.told = time.monotonic() - self.struck

    def lost(self):
        """The link is lost: a near peer learns that at once, and correctly."""
        culvert, start = self.rig.culvert, self.marks["culvert"]
        if self.rig.remote:
            culvert.wait_log("SSH connection to .* was lost",
                             self.fault.bound + SLACK, start)
            self.told = time.monotonic() - self.struck
        else:
            self.wait_told("client", "^done", self.fault.bound)
            self.check_told()
            culvert.wait_log("SSH connection to .* was lost", start=start)
        assert wait_gone(self.ssh), "ssh still runs"
        self.undo()
        for who in "client", "server":
            until(lambda who=who: self.has(who, "^done"),
                  f"the {who}'s session ends", 30)
        if self.rig.remote:
            self.check_near_server()
        for pid in self.sshd_pids:
            assert wait_gone(pid, 30), "sshd still runs"
        culvert.wait_log("listening on .* again" if self.rig.remote else
                         "connected to .* again", 60, start)

    def check_told(self):
        """A near client: 421 is the last reply, and data are reset."""
        replies = self.replies()
        assert replies and replies[-1] == "421", \
            f"the client's last reply is not 421: {replies}"
        assert self.has("client", "^control end"), "control was reset"
        if self.point.name not in ("aborting", "ended"):
            assert self.data("client") != "end", \
                "the client's data connection has ended like a whole file"

    def check_near_server(self):
        """A near server: no cut upload has ended cleanly."""
        if self.point.direction == "upload":
            assert self.data("server") != "end", \
                "the server got an end of file, but not the whole file"

    def waits(self):
        """All wait, no error is reported, and the session continues."""
        if self.fault.hold:
            with contextlib.suppress(Timeout):
                until(lambda: self.has("client", r"^done|^reply [45]"),
                      "the session ends, or a reply 4xx or 5xx",
                      self.fault.hold)
                assert self.ends_well() or self.point.name == "aborting", \
                    "the fault has ended the session"
            self.undo()
        self.wait_told("client", "^done", self.fault.hold)
        until(lambda: self.has("server", "^done"),
              "the server's session ends")
        self.undo()
        assert self.ends_well(), "the session has not ended successfully"

    def ends_well(self):
        """Return whether the session was as without the fault."""
        codes = self.replies(always=True)
        transfer = ["426", "226"] if self.point.name == "aborting" else ["226"]
        return codes == [
            "220", "331", "230", "200",
            "227" if self.point.mode == "passive" else "200", "150",
            *transfer, "221"] and \
            (self.point.name in ("aborting", "stored", "quit")
             or self.is_whole())

    def server_gone(self):
        """The client gets an error or sees the end of the session."""
        self.wait_told("client", "^done", 0)
        name = self.point.name
        if name in ("opened", "first", "middle", "full", "last"):
            assert set(self.replies()) & {"426", "421"}, \
                f"the client got {self.replies()}"
        self.undo()

    def client_gone(self):
        """The server's session ends, and it takes no part for the whole."""
        self.wait_told("server", "^done", self.fault.bound)
        if self.point.direction == "upload" and not self.is_whole() and \
                self.point.name not in ("stored", "quit"):
            assert not self.has("server", "^said 226"), \
                "the server got an end of file, but not the whole file"

    def culvert_gone(self):
        """Client and server only see the end of their connections."""
        rig = self.rig
        self.wait_told("client", "^done", 0)
        assert not self.replies() or self.replies() == ["226"] \
            and self.is_whole(), f"the client got {self.replies()}"
        assert wait_gone(self.ssh), "ssh still runs"
        for pid in self.sshd_pids:
            assert wait_gone(pid), "sshd still runs"
        # The monitor removes the private directory.
        until(lambda: not os.listdir(rig.culvert.dir), "its files are gone")
        until(lambda: self.has("server", "^done"),
              "the server's session ends")

    def check_next(self):
        """Check that the next session works, and nothing is left behind."""
        if self.fault.kind == "culvert_gone":
            self.rig.culvert.kill()
            self.rig.start_culvert()
        self.rig.whole_session(self.point)
        self.rig.check_nothing_more(self.before)

    def end(self):
        """Stop culvert, with all checks of Culvert.stop()."""
        self.rig.culvert.stop()

    # ---- for the table ----

    def seen(self):
        """Return what each party has seen."""
        seen = {
            "fault": self.fault.name, "point": self.point.name,
            "mode": self.point.mode, "direction": self.point.direction,
            "tunnel": self.point.tunnel, "seconds": round(self.told, 1)}
        if self.fault.kind == "waits":
            return {**seen, "client": AS_EVER, "server": AS_EVER,
                    "log": self.seen_in_log()}
        return {**seen, "client": self.seen_by_client(),
                "server": self.seen_by_server(), "log": self.seen_in_log()}

    def seen_by_client(self):
        """Return what the client has seen, unless it was killed."""
        if self.fault.kind == "client_gone":
            return NOBODY
        data = self.data("client")
        words = []
        if self.point.name == "aborting":
            data = None  # any end is correct after ABOR
        if data and (self.point.direction == "download" or data != "end"):
            words.append({"whole": "the whole file",
                          "end": "the end of a part",
                          "reset": "data reset",
                          "refused": "data refused"}[data])
        words += [code for code in self.replies() if code[0] == "4"
                  or code == "226"]
        words += [f"control {how}" for how in self.found(
            "client", r"^control (\w+)")]
        return ", ".join(words)

    def seen_by_server(self):
        """Return what the server has seen, unless it was killed.

        The table does not say how the data connection of a download has ended,
        nor whether the control connection was reset: both depend on how much
        the buffers hold.
        """
        if self.fault.kind == "server_gone":
            return NOBODY
        words = self.found("server", r"^command (ABOR)")
        data = self.data("server")
        if data == "refused":
            words.append("data refused")
        elif data == "aborted":
            words.append("data aborted")
        elif data and self.point.direction == "upload":
            words.append({"whole": "the whole file",
                          "end": "the end of a part",
                          "reset": "data reset"}[data])
        assert self.has("server", "^control (end|reset)"), "control is open"
        return ", ".join([*words, "control end"])

    def seen_in_log(self):
        """Return what culvert logs about the transfer, and about the link."""
        if self.fault.kind == "culvert_gone":
            return NOBODY
        text = "\n".join(self.log())
        words = re.findall(
            r'load \w+ "[^"]*", \d+ bytes: (complete|cut|TRUNCATED|refused)',
            text)
        if self.point.name in ("stored", "quit"):
            words = []  # the transfer had ended before the fault
        if re.search("SSH connection to .* was lost", text):
            words.append("link lost")
        return ", ".join(words)
