"""Cut transfers of a remote tunnel (-R): what was cut never looks complete.

The client is on the SSH server's side and the FTP server on ours, so what
test_cut_*.py has for -L is asked here the other way round.  SSH carries no
reset: what the client's end does comes to culvert as an end, and a client that
lives on after resetting its data alone is beyond what can be known.
"""

import contextlib
import os
import select
import signal
import time

import pytest

import clients
import scripted
from clients import make_file
from process import descendants, kill_descendants, wait_gone
from servers import KINDS
from test_cut_client import hand_over, kill
from topology import SHAPES, Layout
from transfer import (MODES, PART, Ftp, check_early_end, make_huge, modes,
                      no_success, replies_to_end, wait_size)

kinds = pytest.mark.parametrize("kind", KINDS)

TWO = Layout("R", *SHAPES["two"])
FOUR = Layout("R", *SHAPES["four"])

CURL = clients.CLIENTS["curl"]


class Remote:
    """A remote tunnel of the test's own, and a server near it.

    own: the server is the test's own, too, and may be killed.
    """

    def __init__(self, topology, kind, layout, tmp, own=False):
        self.layout, self.topology = layout, topology
        get = topology.start_server if own else topology.server
        self.server = get(kind, layout.server_role, "ipv4")
        self.place = self.server.mkdir(tmp.name)
        sshd = topology.sshd(*(["GatewayPorts clientspecified"]
                               if layout.client_apart else []))
        self.sshd = sshd
        self.before = descendants(sshd.process.pid)
        self.culvert = topology.start_culvert(
            "R", [layout.forward("ipv4", self.server)], sshd,
            options=["-v", "-v", *layout.allow()])

    @property
    def target(self):
        """Where a client goes."""
        return self.topology.target(
            self.layout, "ipv4", self.culvert, self.server)

    @contextlib.contextmanager
    def ftp(self):
        """A scripted client on the SSH server's host, logged in."""
        with self.topology.far.inside(), \
                Ftp(self.culvert, self.server) as ftp:
            yield ftp

    def check_upload(self, name):
        """Fail unless the log tells that the upload was cut."""
        self.culvert.wait_log(
            rf'upload STOR "({self.place.name}/)?{name}", \d+ bytes: '
            "(TRUNCATED|cut): ")
        assert "complete" not in self.culvert.output


@kinds
@modes
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_download_ended_early(topology, kind, mode, how, tmp):
    """A download that its client ends early: 4xx, and the session continues.
    """
    one = Remote(topology, kind, TWO, tmp)
    with one.ftp() as ftp:
        check_early_end(ftp, mode, one.place, how)


@kinds
@modes
def test_abort(topology, kind, mode, tmp):
    """ABOR in a download; the same session fetches another file."""
    one = Remote(topology, kind, TWO, tmp)
    (one.place / "small").write_bytes(b"small")
    with one.ftp() as ftp:
        data = ftp.begin_download(mode, one.place)
        ftp.command("ABOR")
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        ftp.expect("4")
        ftp.expect("2")
        # Only now: pure-ftpd drops what it reads together with an ABOR.
        ftp.exchange("PWD", "257")
        assert ftp.fetch(mode, f"RETR {one.place.name}/small") == b"small"
    one.culvert.wait_log(r'download RETR "[^"]*huge", \d+ bytes: cut')


@kinds
def test_client_killed_in_upload(topology, kind, tmp):
    """Its kernel ends both connections: logged as cut, not as complete."""
    one = Remote(topology, kind, TWO, tmp)
    holders = []
    for mode in MODES:
        with one.ftp() as ftp:
            data = ftp.begin_upload(mode, one.place, mode)
            holders.append(hand_over(ftp, data))
    for holder in holders:
        kill(holder)
    for mode in MODES:
        one.check_upload(mode)


@kinds
def test_curl_killed_in_upload(topology, kind, tmp):
    """The same with a real client, on a host of its own."""
    one = Remote(topology, kind, FOUR, tmp)
    target = one.target
    with contextlib.ExitStack() as stack:
        running = []
        for mode in MODES:
            child = stack.enter_context(CURL._started(target, CURL._argv(
                target, mode, "-T", "-",
                target.url(f"{one.place.name}/{mode}"))))
            child.stdin.write(os.urandom(PART))
            child.stdin.flush()
            running.append(child)
        for mode, child in zip(MODES, running):
            wait_size(one.place / mode)
            child.kill()
            wait_gone(child.pid)
        for mode in MODES:
            one.check_upload(mode)


@kinds
@modes
def test_curl_killed_in_download(topology, kind, mode, tmp):
    """The server's connections end, the log says cut, the tunnel lives on."""
    one = Remote(topology, kind, FOUR, tmp)
    make_huge(one.place / "huge")
    (one.place / "small").write_bytes(b"small")
    result = CURL.abort(one.target, mode, f"{one.place.name}/huge")
    assert result.status != 0, result.output
    one.culvert.wait_log(
        r'download RETR "([^"]*/)?huge", \d+ bytes: cut')
    result = CURL.get(one.target, mode, f"{one.place.name}/small",
                      tmp / "small")
    assert (tmp / "small").read_bytes() == b"small", result.output


@kinds
@modes
def test_server_killed_in_download(topology, kind, mode, tmp):
    """The client gets 426, and no success."""
    one = Remote(topology, kind, TWO, tmp, own=True)
    with one.ftp() as ftp:
        data = ftp.begin_download(mode, one.place)
        one.server.kill()
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        replies = replies_to_end(ftp)
    no_success(replies)
    # One process of vsftpd answers 500 when the other dies.
    assert any(text[:3] in ("426", "500") for text in replies), replies
    one.culvert.wait_log(
        rf'download RETR "{one.place.name}/huge", \d+ bytes: cut')


@kinds
@modes
def test_server_killed_in_upload(topology, kind, mode, tmp):
    """The same for an upload."""
    one = Remote(topology, kind, TWO, tmp, own=True)
    with one.ftp() as ftp:
        data = ftp.begin_upload(mode, one.place, "part")
        one.server.kill()
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        no_success(replies_to_end(ftp))
    one.check_upload("part")


@modes
@pytest.mark.parametrize("who", ["ssh", "sshd"])
@pytest.mark.parametrize("what", ["RETR", "STOR"])
def test_link_killed(topology, mode, who, what, tmp):
    """No 226, and no whole file; culvert ends."""
    one = Remote(topology, "vsftpd", TWO, tmp)
    with one.ftp() as ftp:
        if what == "RETR":
            data = ftp.begin_download(mode, one.place)
        else:
            data = ftp.begin_upload(mode, one.place, "part")
        if who == "ssh":
            os.kill(one.culvert.ssh, signal.SIGKILL)
        else:
            kill_descendants(one.sshd.process.pid, one.before)
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        with contextlib.suppress(ConnectionResetError):
            no_success(replies_to_end(ftp))
    assert one.culvert.process.wait() == 1, one.culvert.output
    one.culvert.check_nothing_left()
    one.culvert.wait_log("the SSH connection to files.test was lost")
    one.culvert.wait_log(
        rf'load {what} "[^"]*", \d+ bytes: (TRUNCATED|cut): ')


def test_server_sees_a_reset(topology):
    """A near server gets no end of file when ssh is killed."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        listener = enter(scripted.server(topology.near, "127.0.0.1"))
        tunnel = topology.start_culvert(
            "R", [f"0:127.0.0.1:{listener.port}"], topology.sshd())
        with topology.far.inside():
            client = enter(scripted.client("127.0.0.1", tunnel.port))
        server = enter(listener.accept())
        server.reply("220 hello")
        client.expect("220")
        data_listener = enter(scripted.Listener(topology.near))
        client.command("PASV")
        server.expect_command("PASV")
        server.reply(f"227 ({data_listener.port_argument()})")
        there = scripted.parse_port(client.expect("227"))
        with topology.far.inside():
            data = enter(scripted.dial(*there))
        near = enter(data_listener.accept())
        client.command("STOR file")
        server.expect_command("STOR file")
        server.reply("150 go on")
        client.expect("150")
        data.send(b"x" * PART)
        assert len(near.read(PART)) == PART
        os.kill(tunnel.ssh, signal.SIGKILL)
        with pytest.raises(ConnectionResetError):
            near.read_all()
        assert tunnel.process.wait() == 1, tunnel.output


@modes
def test_link_killed_with_the_rest_in_sshd(topology, mode, tmp):
    """A slow client: the 226 waits until sshd has nothing left of the file.

    ssh has taken all of it, and the client's kernel has not.
    """
    one = Remote(topology, "vsftpd", TWO, tmp)
    (one.place / "file").write_bytes(os.urandom(1 << 20))
    with one.ftp() as ftp:
        ftp.begin(mode, f"RETR {one.place.name}/file", rcvbuf=4096)
        # Long enough for a 226 that is not held, and shorter than the hold.
        assert not select.select([ftp.sock], [], [], 1)[0], \
            "a 226 for what the client does not have"
        os.kill(one.culvert.ssh, signal.SIGKILL)
        no_success(replies_to_end(ftp))
    assert one.culvert.process.wait() == 1, one.culvert.output


@modes
def test_client_that_ends_after_the_226(topology, mode, tmp):
    """It keeps its data connection until the 226, which is held for a limited
    time.
    """
    one = Remote(topology, "vsftpd", TWO, tmp)
    (one.place / "file").write_bytes(b"file")
    with one.ftp() as ftp:
        data = ftp.begin(mode, f"RETR {one.place.name}/file")
        assert data.read_all() == b"file"
        ftp.expect("226")


@modes
def test_slow_client_has_longer(topology, mode, tmp):
    """A slow client gets as long as it has taken before.

    The file is larger than what is in between; so while the client reads
    nothing the transfer goes on, and culvert knows that.
    """
    size, pause = 16 << 20, 8
    one = Remote(topology, "vsftpd", TWO, tmp)
    make_file(one.place / "file", size)
    with one.ftp() as ftp:
        data = ftp.begin(mode, f"RETR {one.place.name}/file", rcvbuf=65536)
        assert not select.select([ftp.sock], [], [], pause)[0]
        # Half of the file is what may be between, so half of the pause.
        early = time.monotonic() + 3
        assert len(data.read_all()) == size
        left = max(0, early - time.monotonic())
        assert not select.select([ftp.sock], [], [], left)[0], \
            "a 226 too early"
        ftp.expect("226")


@modes
def test_link_killed_before_the_end_of_an_upload(topology, mode, tmp):
    """All bytes of an upload have come, but not its end: not complete.

    The end of ssh must not look like the client's end of file.
    """
    one = Remote(topology, "vsftpd", TWO, tmp)
    with one.ftp() as ftp:
        ftp.begin_upload(mode, one.place, "part")
        os.kill(one.culvert.ssh, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            no_success(replies_to_end(ftp))
    assert one.culvert.process.wait() == 1, one.culvert.output
    one.check_upload("part")
