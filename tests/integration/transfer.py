"""Clients of real servers, and transfers that stand still.

Ftp is a scripted client at a real server; so are logged_in() and prepare(),
which leave more to the test.  All take a mode, "passive" or "active".
"""

import contextlib
import functools
import os
import select

import pytest

import scripted
from process import until
from scripted import NEAR, announcement

MODES = ["passive", "active"]
modes = pytest.mark.parametrize("mode", MODES)

# What a cut upload has sent, and a cut download has read.
PART = 100_000

# What pyftpdlib, buffering, may not have written yet.
BUFFERED = 8192


class Ftp:
    """A scripted client, logged in at a real server.

    Use it as a context manager: it closes all that was opened.
    """

    def __init__(self, culvert, server):
        self._stack = contextlib.ExitStack()
        self.control = self._stack.enter_context(
            scripted.client(*culvert.listeners[0]))
        self.control.expect("220")
        self.ask(f"USER {server.user}", "331")
        self.ask(f"PASS {server.password}", "230")
        self.ask("TYPE I", "200")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def ask(self, command, start):
        """Send a command; returns its reply, which must begin so."""
        self.control.command(command)
        return self.control.expect(start)

    def begin(self, mode, command, rcvbuf=None):
        """Begin a transfer; returns the data connection, the 150 read."""
        if mode == "passive":
            data = scripted.dial(
                *scripted.parse_port(self.ask("PASV", "227")), rcvbuf=rcvbuf)
            self.ask(command, "1")
        else:
            with scripted.Listener(rcvbuf=rcvbuf) as listener:
                self.ask(f"PORT {listener.port_argument()}", "200")
                self.control.command(command)
                data = listener.accept()
                self.control.expect("1")
        return self._stack.enter_context(data)

    def begin_upload(self, mode, path, name):
        """Send PART bytes of an upload; culvert and the server have them.

        path is the server's directory, name a file in it.
        """
        data = self.begin(mode, f"STOR {path.name}/{name}")
        data.send(os.urandom(PART))
        data.wait_taken()
        wait_size(path / name)
        return data

    def get(self, mode, name):
        """Download a file to its good end; returns its bytes."""
        with self.begin(mode, f"RETR {name}") as data:
            content = data.read_all()
        # Only now: proftpd waits for the end of the connection, up to 10 s.
        self.control.expect("226")
        return content


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
    """Fail if one of the replies calls something good."""
    assert not any(text.startswith("2") for text in replies), replies


def readable(wire):
    """Return whether a read would not wait."""
    return bool(select.select([wire.sock], [], [], 0)[0])


def make_huge(path):
    """Make a sparse file that no test reads to its end."""
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 64 << 30)


# A client of real servers.

@contextlib.contextmanager
def logged_in(to):
    """Open a control connection to a clients.Target, logged in, TYPE I."""
    with scripted.client(to.host, to.port) as control:
        control.expect("220")
        control.command(f"USER {to.user}")
        control.expect("331")
        control.command(f"PASS {to.password}")
        control.expect("230")
        control.command("TYPE I")
        control.expect("200")
        yield control


def prepare(control, mode):
    """Play PASV or PORT, or on IPv6 EPSV or EPRT.

    Returns a function that gives the client's end of the data connection.
    """
    v6 = ":" in control.name[0]
    if mode == "active":
        listener = scripted.Listener(NEAR, control.name[0])
        control.command(announcement(listener))
        control.expect("200")
        return functools.partial(_accept_once, listener)
    control.command("EPSV" if v6 else "PASV")
    if v6:
        to = control.peer[0], scripted.parse_epsv(control.expect("229"))
    else:
        to = scripted.parse_port(control.expect("227"))
    return functools.partial(scripted.dial, *to)


def _accept_once(listener):
    with listener:
        return listener.accept()


def fetch(control, mode, command):
    """A whole download, or listing; returns the bytes."""
    connect = prepare(control, mode)
    control.command(command)
    with connect() as data:
        control.expect("1")
        content = data.read_all()
    control.expect("226")
    return content


def store(control, mode, command, content):
    """A whole upload."""
    connect = prepare(control, mode)
    control.command(command)
    with connect() as data:
        control.expect("1")
        data.send(content)
        data.half_close()
        control.expect("226")
        data.expect_end()


def settle(control, kind, aborted=True):
    """Read the replies to a cut transfer, and to its ABOR.

    Fails if it seems complete, or if the session does not live on, but for
    inetutils: it dies of SIGPIPE when its data connection is ended while it
    writes (SSH makes FIN and RST of it).  Returns whether it lives.
    """
    cut = "426", "451", "450"
    if kind == "pure-ftpd" and not aborted:
        cut += ("150",)  # its only answer to a reset, without culvert too
    reply = control.read_reply()
    assert reply.startswith(cut), reply
    control.command("PWD")
    codes = []
    while True:
        reply = control.read_reply()
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


def drain(data):
    """Read to whatever end there is."""
    count(data)


def count(data):
    """Return how many bytes there are to whatever end."""
    total = 0
    with contextlib.suppress(ConnectionError):
        while got := data.sock.recv(1 << 18):
            total += len(got)
    return total


def replies_until(control, start):
    """Read replies up to the one that begins so; returns those before it."""
    found = []
    while True:
        reply = control.read_reply()
        assert reply, f"the end of file after {found}"
        if reply.startswith(start):
            return found
        found.append(reply)
