"""Scripted clients of real servers.

A mode is "passive" or "active".
"""

import contextlib
import functools
import os
import select

import pytest

import scripted
from clients import Target
from process import until
from scripted import NEAR, announcement

MODES = ["passive", "active"]
modes = pytest.mark.parametrize("mode", MODES)

# Bytes that a cut upload has sent, or a cut download has read.
PART = 100_000

# Bytes that pyftpdlib may not have written yet, because it buffers.
BUFFERED = 8192


class Ftp(scripted.Control):
    """The control connection of a scripted client, logged in, TYPE I.

    to is a clients.Target; or a culvert, and then the server is the one behind
    its listener of that number.  As a context manager it closes its data
    connections, too.
    """

    def __init__(self, to, server=None, number=0, source=None):
        if server is not None:
            to = Target.behind(to, server, number)
        wire = scripted.client(to.host, to.port, source=source)
        super().__init__(wire.sock, wire.side)
        self._stack = contextlib.ExitStack()
        try:
            self.expect("220")
            self.exchange(f"USER {to.user}", "331")
            self.exchange(f"PASS {to.password}", "230")
            self.exchange("TYPE I", "200")
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self._stack.close()
        self.close()

    def prepare(self, mode, rcvbuf=None):
        """Play PASV or PORT, or on IPv6 EPSV or EPRT.

        Returns a function that gives the client's end of the data connection.
        """
        if mode == "active":
            listener = self._stack.enter_context(
                scripted.Listener(NEAR, self.name[0], rcvbuf=rcvbuf))
            self.exchange(announcement(listener), "200")
            return functools.partial(self._accept_once, listener)
        if ":" in self.name[0]:
            port = scripted.parse_epsv(self.exchange("EPSV", "229"))
            to = self.peer[0], port
        else:
            to = scripted.parse_port(self.exchange("PASV", "227"))
        return lambda: self._stack.enter_context(
            scripted.dial(*to, rcvbuf=rcvbuf))

    def _accept_once(self, listener):
        with listener:
            return self._stack.enter_context(listener.accept())

    def begin(self, mode, command, rcvbuf=None):
        """Begin a transfer; returns the data connection, the 150 read."""
        connect = self.prepare(mode, rcvbuf)
        data = connect() if mode == "passive" else None
        self.command(command)
        data = data or connect()
        self.expect("1")
        return data

    def begin_download(self, mode, path):
        """Begin to download a huge file; PART bytes are read.

        path is the server's directory.
        """
        make_huge(path / "huge")
        data = self.begin(mode, f"RETR {path.name}/huge")
        data.read(PART)
        return data

    def begin_upload(self, mode, path, name):
        """Send PART bytes of an upload; culvert and the server have them.

        path is the server's directory, name a file in it.
        """
        data = self.begin(mode, f"STOR {path.name}/{name}")
        data.send(os.urandom(PART))
        data.wait_taken()
        wait_size(path / name)
        return data

    def fetch(self, mode, command):
        """A whole download, or listing; returns the bytes."""
        with self.begin(mode, command) as data:
            content = data.read_all()
        # Only now: proftpd waits for the end of the connection, up to 10 s.
        self.expect("226")
        return content

    def store(self, mode, command, content):
        """A whole upload."""
        with self.begin(mode, command) as data:
            data.send(content)
            data.half_close()
            self.expect("226")
            data.expect_end()

    def settle(self, kind, aborted=True):
        """Read the replies to a cut transfer, and to its ABOR.

        Fails if it seems complete, or if the session does not live on, but for
        inetutils: it dies of SIGPIPE when its data connection is ended while
        it writes (SSH makes FIN and RST of it).  Returns whether it lives.
        """
        cut = "426", "451", "450"
        if kind == "pure-ftpd" and not aborted:
            cut += ("150",)  # its only answer to a reset, without culvert too
        reply = self.read_reply()
        assert reply.startswith(cut), reply
        self.command("PWD")
        codes = []
        while True:
            reply = self.read_reply()
            if reply.startswith("257"):
                break
            if not reply and kind == "inetutils":
                return False
            assert reply, f"the end of file after {codes}"
            codes.append(reply[:3])
        allowed = "225", "226", "426", "451"
        if kind == "pure-ftpd":
            allowed += ("150",)
        assert len(codes) <= 2 and set(codes) <= set(allowed), codes
        return True


def check_early_end(ftp, mode, place, how):
    """A download that its client ends early; the session continues.

    how is "closed" or "reset", place the server's directory.
    """
    (place / "small").write_bytes(b"small")
    data = ftp.begin_download(mode, place)
    if how == "closed":
        data.close()
    else:
        data.reset()
    # pure-ftpd has no last reply here, only a broken one: "150 ...".
    ftp.expect("4")
    ftp.exchange("PWD", "257")
    assert ftp.fetch(mode, f"RETR {place.name}/small") == b"small"


def wait_size(path, size=PART - BUFFERED):
    """Wait until the server has stored so many bytes, or more."""
    until(lambda: path.exists() and path.stat().st_size >= size,
          f"{size} bytes in {path}")


def replies_to_end(control):
    """Return all replies up to the end of the control connection."""
    replies = []
    while True:
        text = control.read_reply()
        if not text:
            return replies
        replies.append(text)


def no_success(replies):
    """Fail if one of the replies reports a success."""
    assert not any(text.startswith("2") for text in replies), replies


def readable(wire):
    """Return whether a read would return at once."""
    return bool(select.select([wire.sock], [], [], 0)[0])


def make_huge(path):
    """Make a sparse file that no test reads to its end."""
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 64 << 30)


def drain(data):
    """Read up to an end or a reset."""
    count(data)


def count(data):
    """Return the number of bytes up to an end or a reset."""
    total = 0
    with contextlib.suppress(ConnectionError):
        while got := data.sock.recv(1 << 18):
            total += len(got)
    return total


def replies_until(control, start):
    """Read replies up to one with this start; returns those before it."""
    found = []
    while True:
        reply = control.read_reply()
        assert reply, f"the end of file after {found}"
        if reply.startswith(start):
            return found
        found.append(reply)
