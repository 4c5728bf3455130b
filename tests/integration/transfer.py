"""Transfers that stand still: one end has sent or read so much, and waits.

Ftp is a scripted client at a real server; Session.data() does the same for two
scripted ends.  Both take a mode, "passive" or "active".
"""

import contextlib
import os
import select

import scripted
from process import until

MODES = ["passive", "active"]

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
