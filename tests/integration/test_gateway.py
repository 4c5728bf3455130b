"""The SFTP gateway: an FTP client served from an SFTP server."""

import ftplib
import io
import os
import random

import pytest

from gateway_clients import folder  # pylint: disable=unused-import
from process import until

SIZES = [0, 1, 1000, 32768, 65536, 100_001, 3_000_000]


@pytest.fixture
def tunnel(folder, start_culvert):
    """Return a culvert with a gateway."""
    return start_culvert(f"sftp/0:{folder}", options=["-vv"])


@pytest.fixture
def ftp(tunnel):
    """Return a session with it."""
    with ftplib.FTP() as one:
        one.connect(*tunnel.listeners[0])
        one.login("anybody", "anything")
        yield one


def content(size):
    """Return the content of a file of that size."""
    return random.Random(size).randbytes(size)


def fetch(ftp, name, rest=None):
    """Return what RETR gets."""
    got = bytearray()
    ftp.retrbinary(f"RETR {name}", got.extend, rest=rest)
    return bytes(got)


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
@pytest.mark.parametrize("size", SIZES)
def test_both_ways(size, passive, ftp, folder):
    """A file passes up and down unchanged; nothing is left beside it."""
    ftp.set_pasv(passive)
    ftp.storbinary("STOR file", io.BytesIO(content(size)))
    assert (folder / "file").read_bytes() == content(size)
    assert fetch(ftp, "file") == content(size)
    assert [path.name for path in folder.iterdir()] == ["file"]


def hidden(folder):
    """Return the names of temporary files."""
    return [path.name for path in folder.iterdir()
            if path.name.startswith(".culvert-")]


@pytest.mark.parametrize("what", ["QUIT", "close", "LIST", "RMD", "nothing"])
def test_spare(what, ftp, folder):
    """The temporary file for the next upload is removed if there is none."""
    sub = folder / "sub"
    sub.mkdir()
    for number in range(3):
        ftp.storbinary(f"STOR sub/{number}", io.BytesIO(content(number)))
        # It is opened while the third file is renamed.
        until(lambda: len(hidden(sub)) == max(0, number - 1), "it is open")
    if what == "QUIT":
        ftp.quit()
    elif what == "close":
        ftp.close()
    elif what == "LIST":
        ftp.retrlines("LIST", lambda _: None)
    elif what == "RMD":
        for number in range(3):
            ftp.delete(f"sub/{number}")
        ftp.rmd("sub")
    until(lambda: not sub.exists() or not hidden(sub), "it was removed")
    assert not sub.exists() or sorted(os.listdir(sub)) == ["0", "1", "2"]


@pytest.mark.parametrize("command, code", [
    ("RETR", 550), ("LIST", 550), ("MLSD", 550), ("STOR", 553), ("APPE", 553),
    ("STOU", 553)])
def test_refused(command, code, ftp, tunnel):
    """What the server refuses was not cut, for the records."""
    with pytest.raises(ftplib.error_perm, match=f"{code} No such file"):
        ftp.transfercmd(f"{command} none/x")
    tunnel.wait_log(f'{command} "none/x", 0 bytes: '
                    rf"refused by the server \({code}\)")
