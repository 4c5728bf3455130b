"""Gateways to SFTP servers, and FTP sessions with them."""

import contextlib
import ftplib
import itertools
import os
import random

import culvert as culvert_module


class Gateway:
    """A culvert with an SFTP server behind it.

    server: of sftp_servers; extra: options of culvert; how: see Culvert.
    """

    def __init__(self, server, directory, extra=(), **how):
        self.server, self.culvert = server, None
        try:
            self.culvert = culvert_module.Culvert(
                directory, [f"sftp/0:{server.directory}"], server.config,
                options=["-v", *server.extra, *extra], **how)
        finally:
            if self.culvert is None:
                server.stop()
        self._numbers = itertools.count()

    def folder(self):
        """Make a new directory; returns (its path, its name for clients)."""
        name = str(next(self._numbers))
        path = self.server.root / name
        path.mkdir()
        os.chown(path, *self.server.owner)
        return path, name

    @contextlib.contextmanager
    def login(self, encoding="utf-8"):
        """Return a session; it may have ended at the end of the context."""
        ftp = ftplib.FTP(encoding=encoding, timeout=20)
        try:
            ftp.connect(*self.culvert.listeners[0])
            ftp.login("anybody", "anything")
            ftp.sendcmd("TYPE I")
            yield ftp
            with contextlib.suppress(ftplib.error_temp, EOFError):
                ftp.quit()
        finally:
            ftp.close()

    def stop(self):
        """Stop both."""
        try:
            self.culvert.stop()
        finally:
            self.culvert.kill()
            self.server.stop()


def content(size):
    """Return the content of a file of that size."""
    return random.Random(size).randbytes(size)


def store(ftp, name, data, rest=None, command="STOR"):
    """Upload a file."""
    with ftp.transfercmd(f"{command} {name}", rest) as conn, \
            contextlib.suppress(ConnectionResetError, BrokenPipeError):
        conn.sendall(data)
    return ftp.voidresp()


def fetch(ftp, command, rest=None):
    """Download a file or a listing."""
    got = bytearray()
    with ftp.transfercmd(command, rest) as data, \
            contextlib.suppress(ConnectionResetError):
        while part := data.recv(1 << 16):
            got += part
    ftp.voidresp()
    return bytes(got)


def lines(ftp, command):
    """Return the lines of a listing."""
    *found, end = fetch(ftp, command).decode(ftp.encoding).split("\r\n")
    assert end == ""
    return found


def listing(ftp, name):
    """Return {name: {fact: value}} of MLSD."""
    found = {}
    for line in lines(ftp, f"MLSD {name}"):
        facts, _, file = line.partition(" ")
        found[file] = dict(fact.lower().split("=", 1)
                           for fact in facts.split(";") if fact)
    return found


def look(path):
    """Return all that is in a directory."""
    found = {}
    for file in path.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a temporary file
            found[file.name] = (
                file.lstat().st_mode,
                os.readlink(file) if file.is_symlink() else
                file.read_bytes() if file.is_file() else None)
    return found
