"""Scripted clients of real servers.

A mode is "passive" or "active".
"""

import contextlib
import fcntl
import functools
import os
import select
import subprocess

import pytest

import scripted
from clients import Target
from process import until
from scripted import NEAR, announcement

MODES = ["passive", "active"]
modes = pytest.mark.parametrize("mode", MODES)

# How many bytes the client has sent or read before a transfer is cut.
PART = 100_000

# Bytes that pyftpdlib may not have written yet, because it buffers.
BUFFERED = 8192


class Ftp(scripted.Control):
    """The control connection of a scripted client, logged in, TYPE I.

    to is a clients.Target, or a culvert; then server is the server behind its
    listener of that number.  As a context manager it also closes its data
    connections.
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

        Returns a function that returns the client's data connection.
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
        """Begin a transfer, up to the 150; returns the data connection."""
        connect = self.prepare(mode, rcvbuf)
        data = connect() if mode == "passive" else None
        self.command(command)
        data = data or connect()
        self.expect("1")
        return data

    def begin_download(self, mode, path):
        """Begin to download a huge file, and read PART bytes.

        path is the server's directory.
        """
        make_huge(path / "huge")
        data = self.begin(mode, f"RETR {path.name}/huge")
        data.read(PART)
        return data

    def begin_upload(self, mode, path, name):
        """Begin an upload, and send PART bytes; the server stores them.

        path is the server's directory, name a file in it.
        """
        data = self.begin(mode, f"STOR {path.name}/{name}")
        data.send(os.urandom(PART))
        data.wait_taken()
        wait_size(path / name)
        return data

    def fetch(self, mode, command):
        """Play a whole download or listing; returns the bytes."""
        with self.begin(mode, command) as data:
            content = data.read_all()
        # Read after closing the data connection: proftpd waits for its end, up
        # to 10 s.
        self.expect("226")
        return content

    def store(self, mode, command, content):
        """Play a whole upload."""
        with self.begin(mode, command) as data:
            data.send(content)
            data.half_close()
            self.expect("226")
            data.expect_end()

    def settle(self, kind, aborted=True):
        """Read the replies to a cut transfer, and to ABOR if one was sent.

        Fails if the transfer seems complete, or if the session does not
        continue.  With inetutils the session may end: ftpd gets SIGPIPE if its
        data connection ends while it writes (over SSH, with a FIN and an RST).
        Returns whether the session continues.
        """
        cut = "426", "451", "450"
        if kind == "pure-ftpd" and not aborted:
            cut += ("150",)  # its only reply to a reset, even without culvert
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
    """End a download early as the client; fail unless the session continues.

    how is "closed" or "reset", place the server's directory.
    """
    (place / "small").write_bytes(b"small")
    data = ftp.begin_download(mode, place)
    if how == "closed":
        data.close()
    else:
        data.reset()
    # From pure-ftpd comes only a wrong reply, "150 ..."; culvert replaces it.
    ftp.expect("4")
    ftp.exchange("PWD", "257")
    assert ftp.fetch(mode, f"RETR {place.name}/small") == b"small"


def wait_size(path, size=PART - BUFFERED):
    """Wait until a file of the server has at least size bytes."""
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
    """Make a sparse file, so large that no test reads it to its end."""
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 64 << 30)


def drain(data):
    """Read up to the end or a reset."""
    count(data)


def count(data):
    """Read up to the end or a reset; returns the number of bytes."""
    total = 0
    with contextlib.suppress(ConnectionError):
        while got := data.sock.recv(1 << 18):
            total += len(got)
    return total


def replies_until(control, start):
    """Read replies until one begins with start; returns those before it."""
    found = []
    while True:
        reply = control.read_reply()
        assert reply, f"the end of file after {found}"
        if reply.startswith(start):
            return found
        found.append(reply)


def hand_over(*wires):
    """Give our sockets to a process of its own, so that it can be killed.

    The kernel then ends them in that order.
    """
    fds = []
    for wire in wires:
        fds.append(fcntl.fcntl(wire.sock, fcntl.F_DUPFD_CLOEXEC,
                               fds[-1] + 1 if fds else 3))
    holder = subprocess.Popen(["sleep", "1000"], pass_fds=fds)
    for fd, wire in zip(fds, wires):
        os.close(fd)
        wire.close()
    return holder


def kill(process):
    """End a child as a crash does, and reap it."""
    process.kill()
    process.wait()
