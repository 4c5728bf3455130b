"""Cut transfers: the FTP server dies, or is faster."""

import contextlib
import os
import signal
import time

import pytest

import clients
import sessions
from servers import KINDS
from transfer import (PART, Ftp, make_huge, modes, no_success, readable,
                      replies_to_end)

kinds = pytest.mark.parametrize("kind", KINDS)


class Session:
    """A real server, and a session whose server processes can be killed."""

    def __init__(self, kind, server, start_server, start_culvert):
        # One of its own: a pyftpdlib is killed whole, with its sessions.
        alone = kind == "pyftpdlib"
        self.server = start_server(kind) if alone else server(kind)
        before = set() if alone else set(self.server.pids())
        self.culvert = start_culvert(f"0:127.0.0.1:{self.server.port}")
        self.ftp = Ftp(self.culvert, self.server)
        self.pids = set(self.server.pids()) - before

    def kill(self):
        """End the server's processes of this session, as a crash does."""
        assert self.pids
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def real(kind, server, start_server, start_culvert):
    """Return a session at a real server of that kind."""
    one = Session(kind, server, start_server, start_culvert)
    with one.ftp:
        yield one


def check_told(replies):
    """Fail unless the client was told of the cut, and of nothing good."""
    no_success(replies)
    # One process of vsftpd answers 500 when the other dies.
    assert any(text[0] in "45" for text in replies), replies


@kinds
@modes
def test_killed_in_download(kind, mode, real, tmp):
    """Whatever its kernel still sends: no 2xx, but 426."""
    place = real.server.mkdir(tmp.name)
    data = real.ftp.begin_download(mode, place)
    real.kill()
    with contextlib.suppress(ConnectionResetError):
        data.read_all()
    check_told(replies_to_end(real.ftp))
    real.culvert.wait_log(
        rf'download RETR "{place.name}/huge", \d+ bytes: cut')


@kinds
@modes
def test_killed_in_upload(kind, mode, real, tmp):
    """The same; its kernel may end the data connection either way."""
    place = real.server.mkdir(tmp.name)
    data = real.ftp.begin_upload(mode, place, "part")
    real.kill()
    with contextlib.suppress(ConnectionResetError):
        data.expect_end()
    check_told(replies_to_end(real.ftp))
    real.culvert.wait_log(
        rf'upload STOR "{place.name}/part", {PART} bytes: ')
    assert "complete" not in real.culvert.output


@modes
def test_whole_server_killed(mode, start_server, start_culvert, tmp):
    """The whole server, and curl: an error; culvert lives on."""
    server = start_server("vsftpd")
    place = server.mkdir(tmp.name)
    make_huge(place / "huge")
    tunnel = start_culvert(f"0:127.0.0.1:{server.port}")
    target = clients.Target.behind(tunnel, server)
    curl = clients.CLIENTS["curl"]
    drain = clients.Drain(str(tmp / "fifo"))
    with contextlib.closing(drain), curl._started(target, curl.get_argv(
            target, mode, f"{place.name}/huge", drain.path)) as child:
        drain.wait()
        server.kill()
        result = curl._finish(child)
    assert result.status != 0, result.output
    server.start()
    (place / "small").write_bytes(b"small")
    with Ftp(tunnel, server) as ftp:
        assert ftp.fetch(mode, f"RETR {place.name}/small") == b"small"


@modes
@pytest.mark.parametrize("command, logged", [
    ("RETR file", 'download RETR "file", 6 bytes: cut: '),
    ("STOR file", 'upload STOR "file", 6 bytes: TRUNCATED: ')])
def test_control_ended(command, logged, mode, session):
    """Only control ends, with data in transit: nothing looks complete."""
    one = session()
    near, far = one.data(mode, command)
    if command == "RETR file":
        far.send_to(near, b"a part")
    else:
        near.send_to(far, b"a part")
    one.server.close()
    check_told(replies_to_end(one.client))
    assert near.expect_reset() == b""
    one.culvert.wait_log(logged)


def read_slowly(control, data, size):
    """Read a download in small pieces, to its end.

    Fails unless, when a reply comes, our kernel holds all that is left.
    """
    count = 0
    try:
        while piece := data.sock.recv(1024):
            count += len(piece)
            data.sock.setblocking(not readable(control))
    except BlockingIOError:
        pytest.fail(f"a reply came after {count} of {size} bytes: "
                    + control.read_reply())
    assert count == size
    data.close()


@modes
def test_early_226(mode, session):
    """A 226 that overtakes the data is held until the client has them."""
    size = 600_000
    one = session()
    near, far = one.data(mode, "RETR file", rcvbuf=4096)
    far.send(bytes(size))
    far.close()
    one.server.reply("226 done")
    one.server.wait_taken()
    # When another session has replies by the same link, culvert has the
    # 226, which was sent before.
    for wire in sessions.Session(
            one.culvert, one.listener, one.ns).log_in():
        wire.close()
    assert not readable(one.client)
    read_slowly(one.client, near, size)
    one.client.expect("226 done")


@modes
def test_early_226_and_no_reader(mode, session):
    """The client resets before it has the rest: the 226 becomes 426."""
    one = session()
    near, far = one.data(mode, "RETR file", rcvbuf=4096)
    far.send(bytes(600_000))
    far.close()
    one.server.reply("226 done")
    near.read(1000)
    near.reset()
    one.client.expect("426")
    one.culvert.wait_log(r'download RETR "file", \d+ bytes: cut: .*226')
    one.command("NOOP")


@kinds
@modes
def test_slow_reader(kind, mode, server, start_culvert, tmp):
    """Real servers say 226 when their kernel has the last byte."""
    size = 300_000
    one = server(kind)
    place = one.mkdir(tmp.name)
    (place / "file").write_bytes(os.urandom(size))
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}")
    with Ftp(tunnel, one) as ftp:
        data = ftp.begin(mode, f"RETR {place.name}/file", rcvbuf=4096)
        read_slowly(ftp, data, size)
        ftp.expect("226")


def test_whole_while_culvert_was_stopped(session):
    """culvert is stopped (Ctrl-Z) after the 226, for the longest pause of
    data. The rest of the file comes meanwhile: nothing is cut.
    """
    one = session()
    near, far = one.data("passive", "RETR file")
    far.send_to(near, b"a part, ")
    one.server.reply("226 done")
    time.sleep(1)  # for the 226 to come to culvert, which holds it
    stopped = one.culvert.pid, one.culvert.ssh
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        far.send(b"the rest")
        far.half_close()
        time.sleep(11)  # LIMIT_HOLD_QUIET_MS is 10 s
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    near.expect_bytes(b"the rest")
    near.expect_end()
    near.close()
    one.client.expect("226 done")
