"""--rate and --session-rate: bytes a second, measured with real transfers.

What is asked for are times, so times are measured: a transfer is right when it
has taken what its bytes take, within a tenth.
"""

import os
import threading
import time

import pytest

import scripted
from clients import CLIENTS, Target
from servers import KINDS
from test_reload import reload, with_port
from test_up import conf, to  # noqa: F401
from transfer import Ftp, make_huge, modes, readable

# pylint: disable=redefined-outer-name

RATE = 1 << 20
SIZE = 5 * RATE // 2

# What may pass at once at the beginning.
BURST = RATE // 10

# For so many seconds two share it.
SHARED = 2.5


def start(start_culvert, server, *options, listeners=1):
    """Start a culvert with that many tunnels to the server."""
    return start_culvert(*[f"0:127.0.0.1:{server.port}"] * listeners,
                         options=list(options))


@pytest.fixture
def place(server, tmp):
    """Return a function: kind to its server and a directory for this test."""
    def make(kind):
        one = server(kind)
        return one, one.mkdir(tmp.name)
    return make


def seconds(size, rate=RATE, burst=BURST):
    """Return how long so many bytes take."""
    return (size - burst) / rate


def is_about(measured, wanted):
    """Fail unless it is, within a tenth; a busy machine may be slower."""
    assert 0.75 * wanted <= measured <= 1.1 * wanted, (measured, wanted)


def timed(function, *args):
    """Return how long a call takes, and what it returns."""
    begun = time.monotonic()
    result = function(*args)
    return time.monotonic() - begun, result


def fetch(culvert, server, name):
    """Download a file in a session of its own; returns seconds and size."""
    with Ftp(culvert, server) as ftp:
        took, content = timed(ftp.fetch, "passive", f"RETR {name}")
    return took, len(content)


# ---- the rate ----

@pytest.mark.parametrize("kind, mode",
                         [("vsftpd", "passive"), ("proftpd", "active"),
                          ("pure-ftpd", "passive"), ("pyftpdlib", "active")])
def test_rate(kind, mode, place, start_culvert):
    """Transfers with real servers, both ways: their rate, and they are whole.
    """
    one, path = place(kind)
    content = os.urandom(SIZE)
    (path / "file").write_bytes(content)
    tunnel = start(start_culvert, one, "--rate", "1M")
    with Ftp(tunnel, one) as ftp:
        took, got = timed(ftp.fetch, mode, f"RETR {path.name}/file")
        assert got == content
        is_about(took, seconds(SIZE))
        begun = time.monotonic()
        with ftp.begin(mode, f"STOR {path.name}/stored") as data:
            data.send(content)
        ftp.expect("226")
        is_about(time.monotonic() - begun, seconds(SIZE))
    assert (path / "stored").read_bytes() == content
    assert "cut" not in tunnel.output


@pytest.mark.parametrize("client", ["curl", "lftp"])
def test_clients(client, place, start_culvert, tmp):
    """Real clients work, and end when they have everything."""
    one, path = place("proftpd")
    content = os.urandom(SIZE)
    (path / "file").write_bytes(content)
    tunnel = start(start_culvert, one, "--session-rate", "1M")
    target = Target.behind(tunnel, one)
    took, _ = timed(CLIENTS[client].get, target, "passive",
                    f"{path.name}/file", tmp / "got")
    assert (tmp / "got").read_bytes() == content
    assert 0.9 * seconds(SIZE) <= took <= 1 + seconds(SIZE)
    CLIENTS[client].put(target, "active", tmp / "got", f"{path.name}/stored")
    assert (path / "stored").read_bytes() == content


def test_remote_tunnel(remote_session):
    """-R, too, whose data go through ssh."""
    one = remote_session(options=["--rate", "1M"])
    far, near = one.data("passive")
    sending = scripted.start(near.send, bytes(SIZE))
    took, content = timed(far.read, SIZE)
    sending.result(20)
    is_about(took, seconds(SIZE))
    near.close()
    far.expect_end()
    far.close()
    one.say("226 done")
    assert content == bytes(SIZE)


def test_remote_slow_client(remote_session):
    """A far client that is slower than the rate has everything before the 226.

    ssh and sshd hold the rest; the link may be lost meanwhile.
    """
    size, pace = 2 * SIZE, 0.65 * RATE
    one = remote_session(options=["--rate", "1M"])
    far, near = one.data("passive", rcvbuf=1 << 16)
    sending = scripted.start(near.send, bytes(size))
    begun = time.monotonic()
    count = 0
    while count < size:
        assert not readable(one.client), \
            f"told after {count} bytes: {one.client.read_reply()}"
        if sending.done() and near.sock.fileno() >= 0:
            near.close()
            one.server.reply("226 done")
        count += len(far.sock.recv(1 << 16))
        time.sleep(max(0, begun + count / pace - time.monotonic()))
    far.expect_end()
    far.close()
    one.client.expect("226")


def test_small_files_do_not_wait(place, start_culvert):
    """What fits into the bucket passes at once."""
    one, path = place("vsftpd")
    (path / "file").write_bytes(bytes(5000))
    tunnel = start(start_culvert, one, "--rate", "1K")
    took, size = fetch(tunnel, one, f"{path.name}/file")
    assert size == 5000 and took < 1


def test_low_rate(place, start_culvert):
    """A few bytes at a time: slow, and whole."""
    one, path = place("vsftpd")
    content = os.urandom((16 << 10) + 3000)
    (path / "file").write_bytes(content)
    tunnel = start(start_culvert, one, "--rate", "1K")
    with Ftp(tunnel, one) as ftp:
        took, got = timed(ftp.fetch, "passive", f"RETR {path.name}/file")
    assert got == content
    is_about(took, 3000 / 1024)


# ---- who has how much ----

def received(ftp, name, came, stop):
    """Download until stop is set; came gets times and numbers of bytes."""
    with ftp.begin("passive", f"RETR {name}") as data:
        data.sock.settimeout(5)
        while not stop.is_set():
            count = len(data.sock.recv(1 << 16))
            came.append((time.monotonic(), count))


def share(place, start_culvert, *options, second=1):
    """Return the rates of two endless downloads side by side.

    In bytes a second, from when both have begun. The other one is through
    the listener of the number second.
    """
    one, path = place("vsftpd")
    make_huge(path / "huge")
    tunnel = start(start_culvert, one, *options, listeners=2)
    stop, came = threading.Event(), ([], [])
    with Ftp(tunnel, one) as first, Ftp(tunnel, one, second) as other:
        calls = [scripted.start(received, ftp, f"{path.name}/huge", list_, stop)
                 for ftp, list_ in zip((first, other), came)]
        while not all(came) and not any(call.done() for call in calls):
            time.sleep(0.01)
        time.sleep(SHARED)  # what is asked for is a rate
        end = time.monotonic()
        stop.set()
        for call in calls:
            call.result(20)
    begun = max(list_[0][0] for list_ in came)
    return [sum(count for when, count in list_ if begun < when <= end) /
            (end - begun) for list_ in came]


def test_two_share_fairly(place, start_culvert):
    """Two sessions of one tunnel get half of its rate each."""
    one, other = share(place, start_culvert, "--rate", "1M", second=0)
    is_about(one + other, RATE)
    assert abs(one - other) <= 0.1 * RATE, (one, other)


def test_two_tunnels(place, start_culvert):
    """Each has the whole rate."""
    for rate in share(place, start_culvert, "--rate", "1M"):
        is_about(rate, RATE)


def test_two_sessions(place, start_culvert):
    """--session-rate: each session has its own."""
    for rate in share(place, start_culvert, "--session-rate", "1M", second=0):
        is_about(rate, RATE)


# ---- what goes on meanwhile ----

@pytest.mark.parametrize("kind", KINDS)
def test_abort(kind, place, start_culvert):
    """ABOR is as fast as without a rate, and the session continues."""
    one, path = place(kind)
    make_huge(path / "huge")
    (path / "file").write_bytes(b"whole")
    tunnel = start(start_culvert, one, "--rate", "16K")
    with Ftp(tunnel, one) as ftp:
        with ftp.begin("passive", f"RETR {path.name}/huge") as data:
            data.read(20000)
            begun = time.monotonic()
            ftp.command("ABOR")
            while not ftp.read_reply().startswith("22"):
                pass
            assert time.monotonic() - begun < 2
        assert ftp.fetch("passive", f"RETR {path.name}/file") == b"whole"


def test_replies_do_not_wait(place, start_culvert):
    """Control connections are not limited."""
    one, path = place("pure-ftpd")
    make_huge(path / "huge")
    tunnel = start(start_culvert, one, "--rate", "1K")
    with Ftp(tunnel, one) as busy, Ftp(tunnel, one) as idle:
        with busy.begin("passive", f"RETR {path.name}/huge"):
            took, _ = timed(idle.exchange, "PWD", "257")
            assert took < 0.5


def test_quit_behind_a_download(place, start_culvert):
    """The server's end waits for the data, as without a rate."""
    one, path = place("vsftpd")
    content = os.urandom(RATE // 2)
    (path / "file").write_bytes(content)
    tunnel = start(start_culvert, one, "--rate", "256K")
    with Ftp(tunnel, one) as ftp, \
            ftp.begin("passive", f"RETR {path.name}/file") as data:
        ftp.command("QUIT")
        assert data.read_all() == content
        ftp.expect("226")
        ftp.expect("221")
        ftp.expect_end()


@modes
def test_half_closed_client(mode, session):
    """A client that ends its direction first gets the whole download."""
    one = session(options=["--rate", "64K"])
    near, far = one.data(mode, "RETR file")
    near.half_close()
    far.expect_end()
    far.send(bytes(100_000))
    far.close()
    assert len(near.read_all()) == 100_000
    one.say("226 done")


def test_reload(conf, sshd, server, start_up, place):
    """The next session has the new rate."""
    one, path = place("vsftpd")
    (path / "file").write_bytes(bytes(SIZE))
    with scripted.Listener() as listener:
        port = listener.port
    lines = with_port(to(sshd, one), port)
    tunnel = start_up(conf(plant=[*lines, "rate = 64K"]), "--all")
    conf(plant=[*lines, "rate = 1M"])
    reload(tunnel, "0 tunnels unchanged, 1 removed, 1 new")
    took, size = fetch(tunnel, one, f"{path.name}/file")
    assert size == SIZE
    is_about(took, seconds(SIZE))
