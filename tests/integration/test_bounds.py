"""What must stay bounded: many sessions, and peers that stand still."""

import contextlib
import os

import pytest

from process import count_fds, rss_kib, until
from test_thousand import TOLERANCE_KIB
from transfer import MODES, Ftp, modes

SESSIONS, WARM = 300, 60

STALLED = 8

# A channel's window, what may be queued behind it, and one read.
STALLED_KIB = 2048 + 512 + 256 + 256


@pytest.fixture
def one(server):
    """Return the server of these tests."""
    return server("vsftpd")


@pytest.fixture
def tunnel(one, start_culvert):
    """Return a culvert for this test alone."""
    return start_culvert(f"0:127.0.0.1:{one.port}")


def test_many_sessions(one, tunnel, tmp):
    """300 sessions, each with a download: afterwards nothing is left."""
    content = os.urandom(4096)
    (one.mkdir(tmp.name) / "file").write_bytes(content)
    pids = {"culvert": tunnel.pid, "ssh": tunnel.ssh}
    for number in range(SESSIONS):
        if number == WARM:
            fds = {name: count_fds(pid) for name, pid in pids.items()}
            memory = {name: rss_kib(pid) for name, pid in pids.items()}
        with Ftp(tunnel, one) as ftp:
            with ftp.begin(MODES[number % 2], f"RETR {tmp.name}/file") as data:
                assert data.read_all() == content
            ftp.expect("226")
            ftp.exchange("QUIT", "221")
    for name, pid in pids.items():
        until(lambda pid=pid, name=name: count_fds(pid) <= fds[name] + 1,
              f"{name} has its file descriptors again")
        grown = rss_kib(pid) - memory[name]
        assert grown <= TOLERANCE_KIB, f"{name} has grown by {grown} KiB"


@modes
def test_stalled_downloads(mode, one, tunnel, tmp):
    """Clients that do not read cost at most a window each."""
    path = one.mkdir(tmp.name) / "huge"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    before = rss_kib(tunnel.pid)
    seen = []

    def still():
        seen.append(rss_kib(tunnel.pid))
        return len(seen) > 40 and len(set(seen[-40:])) == 1

    with contextlib.ExitStack() as stack:
        for _ in range(STALLED):
            ftp = stack.enter_context(Ftp(tunnel, one))
            stack.enter_context(
                ftp.begin(mode, f"RETR {tmp.name}/huge", rcvbuf=4096))
        until(still, "culvert's memory stands still")
        grown = max(seen) - before
        # Otherwise the buffers were not full.
        assert grown > STALLED * 256, f"only {grown} KiB are waiting"
        assert grown <= STALLED * STALLED_KIB + TOLERANCE_KIB, grown
        with Ftp(tunnel, one) as other:
            other.exchange("PWD", "257")
