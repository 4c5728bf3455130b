"""Cut transfers: the SSH connection is lost."""

import contextlib
import os
import signal
import tempfile

import pytest

import clients
import scripted
from process import descendants, kill_descendants
from transfer import (PART, Ftp, make_huge, modes, no_success, replies_to_end,
                      wait_size)

KILLED = ["ssh", "sshd"]
killed = pytest.mark.parametrize("who", KILLED)


class Link:
    """A culvert, and who can be killed on its way: its ssh, its sshd."""

    def __init__(self, sshd, start):
        self.sshd = sshd
        self.before = descendants(sshd.process.pid)
        self.culvert = start()

    def kill(self, who):
        """Kill it, so that it cannot say good-bye."""
        if who == "ssh":
            os.kill(self.culvert.ssh, signal.SIGKILL)
        else:
            kill_descendants(self.sshd.process.pid, self.before)

    def check_end(self):
        """Fail unless culvert ends, says why, and leaves nothing."""
        assert self.culvert.process.wait() == 1, self.culvert.output
        self.culvert.check()
        self.culvert.check_nothing_left()
        assert "the SSH connection to files.test was lost" in \
            self.culvert.output


@pytest.fixture
def place(server, tmp):
    """Return a directory of vsftpd's, ours alone."""
    return server("vsftpd").mkdir(tmp.name)


@pytest.fixture
def link(server, sshd, start_culvert):
    """Return a culvert to vsftpd, as a Link."""
    return Link(sshd, lambda: start_culvert(
        f"0:127.0.0.1:{server('vsftpd').port}"))


@pytest.fixture
def ftp(link, server):
    """Return a client, logged in at vsftpd."""
    with Ftp(link.culvert, server("vsftpd")) as client:
        yield client


@killed
@modes
def test_download(who, mode, link, ftp, place):
    """The client's data connection is reset, and it gets 426 and 421."""
    data = ftp.begin_download(mode, place)
    link.kill(who)
    data.expect_reset()
    replies = replies_to_end(ftp)
    assert [text[:3] for text in replies] == ["426", "421"], replies
    link.culvert.wait_log(
        rf'download RETR "{place.name}/huge", \d+ bytes: cut: .*lost')
    link.check_end()


@modes
def test_idle_download(mode, session):
    """The same when all bytes so far had arrived."""
    one = session()
    near, far = one.data(mode, "RETR file")
    far.send_to(near, b"a part")
    one.kill_ssh()
    assert near.expect_reset() == b""
    replies = one.expect_lost()
    assert [text[:3] for text in replies] == ["426", "421"], replies


@modes
def test_empty_download(mode, session):
    """The same before the first byte."""
    one = session()
    near, far = one.data(mode, "RETR file")
    one.kill_ssh()
    assert near.expect_reset() == b""
    one.expect_lost()


@modes
def test_ended_download(mode, session):
    """The link is lost after the last byte, but before the 226: no 226."""
    one = session()
    near, far = one.data(mode, "RETR file")
    far.send(b"the whole")
    far.close()
    assert near.read_all() == b"the whole"
    one.kill_ssh()
    one.expect_lost()


def _lftp(target, mode, remote, local):
    return ["lftp", "--norc", "-c",
            f"set net:max-retries 1; set net:timeout 20;"
            f" set ftp:passive-mode {'no' if mode == 'active' else 'yes'};"
            f" open -u {target.user},{target.password} -p {target.port}"
            f" {target.host}; cat {remote} >{local}"]


@modes
@pytest.mark.parametrize("name", ["curl", "lftp"])
def test_real_client_download(name, mode, link, server, place):
    """Each real client ends with an error."""
    make_huge(place / "huge")
    client, remote = clients.CLIENTS[name], f"{place.name}/huge"
    one = server("vsftpd")
    target = clients.Target.behind(link.culvert, one)
    with tempfile.TemporaryDirectory(prefix="cvt-") as directory:
        drain = clients.Drain(os.path.join(directory, "fifo"))
        make = _lftp if name == "lftp" else client.get_argv
        argv = make(target, mode, remote, drain.path)
        with contextlib.closing(drain), client._started(target, argv) as child:
            drain.wait()
            link.kill("ssh")
            result = client._finish(child)
    assert result.status != 0, result.output
    link.check_end()


@modes
def test_ftplib_download(mode, link, server, place, monkeypatch):
    """ftplib reports the reset."""
    make_huge(place / "huge")
    one = server("vsftpd")
    target = clients.Target.behind(link.culvert, one)

    class Sink:
        """Kills ssh when the download has begun."""

        def __init__(self):
            self.count = 0

        def write(self, data):
            """Take a part of the file."""
            if self.count < PART <= self.count + len(data):
                link.kill("ssh")
            self.count += len(data)

    result = clients.CLIENTS["ftplib"]._with(
        target, mode, lambda ftp: ftp.retrbinary(
            f"RETR {place.name}/huge", Sink().write))
    assert result.status != 0
    assert "ConnectionResetError" in result.output, result.output
    link.check_end()


@killed
@modes
def test_upload(who, mode, link, ftp, place):
    """No 2xx; the log has file and bytes, and that the server did not answer.
    """
    data = ftp.begin_upload(mode, place, "part")
    link.kill(who)
    assert data.expect_reset() == b""
    replies = replies_to_end(ftp)
    assert [text[:3] for text in replies] == ["426", "421"], replies
    link.culvert.wait_log(
        rf'upload STOR "{place.name}/part", {PART} bytes: TRUNCATED: .*lost'
        ".*the server may keep a partial file")
    link.check_end()


@modes
def test_ended_upload(mode, session):
    """The link is lost when all is sent, but before the 226: no 226."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send(b"the whole")
    near.half_close()
    assert far.read_all() == b"the whole"
    one.kill_ssh()
    no_success(replies_to_end(one.client))
    one.culvert.wait_log('upload STOR "file", 9 bytes: TRUNCATED')
    assert one.culvert.process.wait() == 1


@modes
def test_curl_upload(mode, link, server, place):
    """curl -T ends with an error."""
    one = server("vsftpd")
    target = clients.Target.behind(link.culvert, one)
    curl = clients.CLIENTS["curl"]
    argv = curl._argv(target, mode, "-T", "-", target.url(f"{place.name}/part"))
    with curl._started(target, argv) as child:
        child.stdin.write(os.urandom(PART))
        child.stdin.flush()
        wait_size(place / "part")
        link.kill("ssh")
        result = curl._finish(child)
    assert result.status != 0, result.output
    link.culvert.wait_log(rf"upload .*{PART} bytes: TRUNCATED")
    link.check_end()


def test_idle_session(session):
    """A session without a transfer gets 421 with the reason."""
    one = session()
    one.kill_ssh()
    replies = one.expect_lost()
    assert [text[:3] for text in replies] == ["421"], replies
    assert "SSH" in replies[0]


def test_session_before_its_greeting(session):
    """So does one that waits for the greeting."""
    one = session(log_in=False)
    one.kill_ssh()
    replies = one.expect_lost()
    assert [text[:3] for text in replies] == ["421"], replies


def test_data_without_a_transfer(session):
    """A data connection without a transfer is reset, too."""
    one = session()
    with scripted.Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        with scripted.dial(*scripted.parse_port(
                one.client.expect("227"))) as near, listener.accept():
            one.kill_ssh()
            near.expect_reset()
    one.expect_lost()
