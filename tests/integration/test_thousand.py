"""A thousand transfers in a session: none fails, and nothing grows."""

import ftplib
import io
import os

import pytest

from culvert import sanitized
from process import FAILSAFE, count_fds, rss_kib, until

COUNT, WARM, SIZE = 1000, 100, 4096

# The data of a sanitizer grow.
TOLERANCE_KIB = 4096 if sanitized() else 256


@pytest.fixture
def ftp(server, start_culvert):
    """Return a logged-in ftplib client through a culvert of its own."""
    one = server("vsftpd")
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}")
    with ftplib.FTP(timeout=FAILSAFE) as client:
        client.connect("127.0.0.1", tunnel.port)
        client.login(one.user, one.password)
        client.server, client.tunnel = one, tunnel
        yield client


def measure(pid):
    """Return what must not grow: file descriptors, and memory in KiB."""
    return count_fds(pid), rss_kib(pid)


def repeat(ftp, action):
    """Do it COUNT times; fails if culvert or ssh grow after the first WARM."""
    pids = {"culvert": ftp.tunnel.pid, "ssh": ftp.tunnel.ssh}
    for number in range(COUNT):
        if number == WARM:
            before = {name: measure(pid) for name, pid in pids.items()}
        action(number)
    for name, pid in pids.items():
        fds, memory = before[name]
        # The last connection may still be closing.
        until(lambda: count_fds(pid) <= fds,
              f"{name} has {fds} file descriptors again")
        grown = rss_kib(pid) - memory
        assert grown <= TOLERANCE_KIB, f"{name} has grown by {grown} KiB"


@pytest.mark.timeout(400)  # each is several round trips, and others run too
def test_transfers(ftp, tmp):
    """1,000 transfers of 4 KiB, one after the other, of all four kinds."""
    place = ftp.server.mkdir(tmp.name)
    content = os.urandom(SIZE)
    (place / "file").write_bytes(content)

    def download():
        got = io.BytesIO()
        ftp.retrbinary(f"RETR {tmp.name}/file", got.write)
        assert got.getvalue() == content

    def upload(number):
        content = number.to_bytes(4, "big") * (SIZE // 4)
        ftp.storbinary(f"STOR {tmp.name}/up", io.BytesIO(content))
        assert (place / "up").read_bytes() == content

    def transfer(number):
        ftp.set_pasv(number % 2 == 0)
        if number % 4 < 2:
            download()
        else:
            upload(number)

    repeat(ftp, transfer)
