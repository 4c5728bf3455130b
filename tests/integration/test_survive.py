"""--survive: sessions and transfers that outlive the SSH connection."""

import os
import signal
import struct

import pytest

from process import kill_descendants
from servers import KINDS
from transfer import Ftp, modes

SURVIVE = ["--survive", "100", "-v"]


def blocks(size):
    """Return a file with a counter in every 8 bytes."""
    return b"".join(struct.pack(">Q", at) for at in range(size // 8))


@pytest.fixture
def tunnel(start_culvert):
    """Return a function: a server to a culvert whose sessions survive."""
    def start(one, *options):
        return start_culvert(f"0:127.0.0.1:{one.port}", retry=None,
                             options=[*SURVIVE, *options])
    return start


def kill_ssh(culvert):
    """Kill the ssh of a culvert."""
    os.kill(culvert.ssh, signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS)
def test_idle_session(kind, server, tunnel, tmp):
    """It logs in again, is where it was, and has the type that it had."""
    one = server(kind)
    one.mkdir(tmp.name).joinpath("file").write_bytes(b"a\r\nb\n")
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        ftp.exchange(f"CWD {tmp.name}", "250")
        ftp.exchange("TYPE I", "200")
        for _ in range(3):
            kill_ssh(culvert)
            assert ftp.fetch("passive", "RETR file") == b"a\r\nb\n"


@modes
@pytest.mark.parametrize("kind", KINDS)
def test_download(kind, mode, server, tunnel, tmp):
    """It goes on in the same data connection, with no byte wrong."""
    one = server(kind)
    content = blocks(6 << 20)
    one.mkdir(tmp.name).joinpath("file").write_bytes(content)
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        ftp.exchange("TYPE I", "200")
        with ftp.begin(mode, f"RETR {tmp.name}/file") as data:
            got = data.read(1 << 20)
            kill_ssh(culvert)
            got += data.read_all()
        ftp.expect("226")
        assert got == content
        ftp.exchange("NOOP", "200")
