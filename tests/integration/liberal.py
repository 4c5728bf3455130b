"""Finds out which malformed lines real FTP servers accept as PORT.

Run it as root: liberal.py [KIND...].  It connects to each server of servers.py
directly, without culvert, sends some ten thousand lines that are not exactly
"PORT", a blank and the host-port, and prints those that the server accepts.  A
line is accepted if the server says 200 before its reply to SYST, which is sent
after the line.  test_hidden.py sends one line of each sort through culvert;
command_hidden() of src/ftp/command.c finds all of them.
"""

import pathlib
import re
import socket
import sys
import tempfile

from netns import Namespace
from scripted import Listener, port_argument
from servers import KINDS, MORE_KINDS, Server

# Seconds after which a server counts as silent.
QUIET = 2

IAC = 255


def fillers():
    """Yield bytes that a server may ignore, or take for a blank."""
    for byte in range(256):
        if byte != ord("\n"):
            yield bytes([byte])
    for byte in range(256):
        if byte != ord("\n"):
            yield bytes([IAC, byte])
    for verb in 251, 252, 253, 254:
        for option in 1, 0, 13, 32, 65, 255:
            yield bytes([IAC, verb, option])
    yield b"  "
    yield b"\t\t"
    yield b"\r\0"
    yield b"\0\0"
    for end in b"\n", b"\r\n":
        for before in b"", b"\0", b"\\", bytes([IAC]), bytes([IAC, 250]), \
                bytes([IAC, 251]), bytes([IAC, 253, IAC]):
            yield before + end
    yield bytes([IAC, 250, 24, 1, IAC, 240])
    yield bytes([IAC, 244, IAC, 242])


def shapes(to, long_ones=range(8, 4200)):
    """Yield (name, line) for each malformed line.

    to is the argument of PORT; long_ones are the numbers of bytes to send
    before a PORT that has no line end before it.
    """
    verb = b"PORT"
    for filler in fillers():
        name = filler.hex(" ")
        yield f"{name} before", filler + verb + b" " + to + b"\r\n"
        yield f"{name} blank before", b" " + filler + verb + b" " + to + \
            b"\r\n"
        yield f"{name} within", b"PO" + filler + b"RT " + to + b"\r\n"
        yield f"{name} first", b"P" + filler + b"ORT " + to + b"\r\n"
        yield f"{name} behind", verb + filler + b" " + to + b"\r\n"
        if filler != b" ":
            yield f"{name} as the blank", verb + filler + to + b"\r\n"
        yield f"{name} behind the blank", verb + b" " + filler + to + b"\r\n"
        yield f"{name} in the argument", verb + b" " + to[:4] + filler + \
            to[4:] + b"\r\n"
        yield f"{name} at the end", verb + b" " + to + filler + b"\r\n"
        yield f"{name} as a line end", b"PWD" + filler + verb + b" " + to + \
            b"\r\n"
        yield f"{name} behind a line end", b"PWD\r" + filler + verb + b" " + \
            to + b"\r\n"
    for name, other in ("lower", b"port"), ("mixed", b"pOrT"), \
            ("high bit", bytes(c | 128 for c in verb)), \
            ("high bit, one", b"POR\xd4"), ("longer", b"PORTS"), \
            ("shorter", b"POR"), ("XPORT", b"XPORT"), \
            ("wide", b"\0P\0O\0R\0T"), ("backspaced", b"POXX\b\bRT"), \
            ("deleted", b"POX\x7fRT"), ("SITE", b"SITE PORT"), \
            ("PORTPORT", b"PORT PORT"), ("quoted", b'"PORT"'):
        yield name, other + b" " + to + b"\r\n"
    yield "bare LF", verb + b" " + to + b"\n"
    yield "CR CR LF", verb + b" " + to + b"\r\r\n"
    yield "bare CR", verb + b" " + to + b"\r"
    for n in long_ones:
        yield f"behind {n} bytes", b"PWD " + b"x" * (n - 4) + verb + b" " + \
            to + b"\r\n"


def without_telnet(line):
    """Return a line of a server without answers to Telnet commands."""
    return re.sub(rb"^(?:\xff[\xfb-\xfe].)+", b"", line, flags=re.DOTALL)


class Talk:
    """A control connection to a server, logged in; opened again if needed."""

    def __init__(self, server):
        self.server, self.sock = server, None

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def open(self):
        self.close()
        self.sock = self.server.ns.socket()
        self.sock.settimeout(20)
        self.sock.connect((self.server.address, self.server.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.until(b"220 ")
        for line, code in (b"USER " + self.server.user.encode(), b"331 "), \
                (b"PASS " + self.server.password.encode(), b"230 "):
            self.sock.sendall(line + b"\r\n")
            assert self.until(code), self.said
        self.sock.settimeout(QUIET)

    def until(self, code):
        """Read lines up to one that begins with code.

        Returns whether one came; all lines are in self.said.
        """
        self.said = []
        while True:
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                line = without_telnet(line)
                self.said.append(line)
                if line.startswith(code):
                    return True
                continue
            try:
                data = self.sock.recv(1 << 16)
            except (TimeoutError, ConnectionResetError):
                return False
            if not data:
                return False
            self.buffer += data

    def takes(self, line):
        """Return whether the server accepts the line as PORT."""
        if self.sock is None:
            self.open()
        try:
            self.sock.sendall(line + b"SYST\r\n")
            whole = self.until(b"215 ")
            said = self.said
            # pyftpdlib says 200 only when it has connected, perhaps after its
            # replies to the next commands.
            for _ in range(4 if self.server.kind == "pyftpdlib" else 0):
                if whole:
                    self.sock.sendall(b"SYST\r\n")
                    whole = self.until(b"215 ")
                    said = said + self.said[:-1]
            self.said = said
        except (BrokenPipeError, ConnectionResetError):
            whole = False
        taken = any(each.startswith(b"200") for each in self.said)
        if not whole or sum(each[:4] == b"215 " for each in self.said) != 1:
            self.close()
        return taken

    def takes_half(self, line):
        """The same for a line without an end, after which the client ends."""
        self.open()
        self.sock.sendall(line)
        self.sock.shutdown(socket.SHUT_WR)
        self.until(b"200")
        self.close()
        return any(each.startswith(b"200") for each in self.said)


def main():
    """Test the servers that the command line names, or all."""
    with tempfile.TemporaryDirectory(prefix="culvert-test-") as directory:
        pathlib.Path(directory).chmod(0o755)
        ns = Namespace()
        try:
            for kind in sys.argv[1:] or KINDS + MORE_KINDS:
                place = pathlib.Path(directory, kind)
                place.mkdir()
                server = Server(kind, ns, place)
                try:
                    tell(server, ns)
                finally:
                    server.stop()
        finally:
            ns.close()


def tell(server, ns):
    """Print which lines the server accepts."""
    talk = Talk(server)
    with Listener(ns) as listener:
        to = port_argument("127.0.0.1", listener.port).encode()
        assert talk.takes(b"PORT " + to + b"\r\n"), talk.said
        assert not talk.takes(b"PWD\r\n"), talk.said
        for name, line in shapes(to):
            if talk.takes(line):
                print(f"{server.kind}: {name}", flush=True)
        if talk.takes_half(b"PORT " + to):
            print(f"{server.kind}: half a line")
    talk.close()


if __name__ == "__main__":
    main()
