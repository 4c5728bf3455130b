"""SSH servers other than OpenSSH's: dropbear, asyncssh, paramiko, ssh2, Go.

Each carries a local and a remote tunnel: both modes, downloads and uploads, a
file of 1 MiB and an empty one.  Others are killed in mid-transfer.
"""

import contextlib
import os
import time

import pytest

import netns
import servers
from clients import Target
from ssh_servers import SSH_SERVERS
from topology import get, put
from transfer import (MODES, PART, Ftp, modes, no_success,
                      replies_to_end)

# Those whose tunnels of that kind work.
TUNNELS = [(kind, way) for kind in SSH_SERVERS for way in ("local", "remote")
           if way == "local" or SSH_SERVERS[kind].remote_forwards]
tunnels = pytest.mark.parametrize("kind, way", TUNNELS)


class Tunnel:
    """A tunnel through such a server, and a place on its FTP server."""

    def __init__(self, culvert, server, place, ns=None):
        self.culvert, self.server, self.place = culvert, server, place
        self.ns = ns  # of the client, if not ours

    @property
    def target(self):
        """Where a client goes."""
        there = {"argv": self.ns.argv, "call": self.ns.call} if self.ns else {}
        return Target(*self.culvert.listeners[0], self.server.user,
                      self.server.password, **there)

    @contextlib.contextmanager
    def ftp(self):
        """A scripted client, logged in."""
        with (self.ns.inside() if self.ns else contextlib.nullcontext()), \
                Ftp(self.culvert, self.server) as ftp:
            yield ftp


@pytest.fixture
def start_tunnel(server, directories, ns, tmp, start_culvert):
    """Return a function that starts a tunnel through an SSH server."""
    started = []

    def start(sshd, way, options=("-v", "-v"), port=0, **how):
        if way == "local":
            one = server("vsftpd")
            culvert = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                                    options=options, **how)
            return Tunnel(culvert, one, one.mkdir(tmp.name))
        one = servers.Server("vsftpd", netns.Here(), directories())
        started.append(one)
        culvert = start_culvert(remotes=[f"{port}:127.0.0.1:{one.port}"],
                                sshd=sshd, options=options, **how)
        return Tunnel(culvert, one, one.mkdir(tmp.name), ns)

    yield start
    for one in started:
        one.stop()


@tunnels
def test_transfers(kind, way, start_ssh_server, start_tunnel, tmp):
    """In each mode the files are whole and the client reports success."""
    tunnel = start_tunnel(start_ssh_server(kind), way)
    for mode in MODES:
        get(tunnel.target, mode, tunnel.place, tmp)
        put(tunnel.target, mode, tunnel.place, tmp)


@tunnels
def test_cut_download(kind, way, start_ssh_server, start_tunnel):
    """The SSH server is killed in a download: no success is reported."""
    sshd = start_ssh_server(kind)
    tunnel = start_tunnel(sshd, way)
    with tunnel.ftp() as ftp:
        data = ftp.begin_download("passive", tunnel.place)
        sshd.kill()
        end_badly(way, ftp, data)
    assert tunnel.culvert.process.wait() == 1
    tunnel.culvert.wait_log(r'download RETR ".*huge", \d+ bytes: cut: ')


@tunnels
def test_cut_upload(kind, way, start_ssh_server, start_tunnel):
    """The same in an upload."""
    sshd = start_ssh_server(kind)
    tunnel = start_tunnel(sshd, way)
    with tunnel.ftp() as ftp:
        data = ftp.begin_upload("active", tunnel.place, "part")
        sshd.kill()
        end_badly(way, ftp, data)
    assert tunnel.culvert.process.wait() == 1
    tunnel.culvert.wait_log(
        rf'upload STOR ".*part", {PART} bytes: TRUNCATED: ')


def end_badly(way, ftp, data):
    """Fail unless a client sees its transfer cut.

    A far client's connections are those of the server that was killed.
    """
    if way == "local":
        data.expect_reset()
        replies = replies_to_end(ftp)
        assert [text[:3] for text in replies] == ["426", "421"], replies
    else:
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        with contextlib.suppress(ConnectionResetError):
            no_success(replies_to_end(ftp))


# ---- CLOSE without EOF, or at once behind it ----

closing = pytest.mark.parametrize("kind", ["gliderlabs", "ssh2"])


@pytest.mark.parametrize("kind", ["gliderlabs"])
def test_many_small_files(kind, start_ssh_server, start_tunnel):
    """200 small files, one after the other: each one is whole."""
    tunnel = start_tunnel(start_ssh_server(kind), "local", options=["-v"])
    content = {f"{n}": os.urandom(n * 37) for n in range(50)}
    with tunnel.ftp() as ftp:
        for mode in MODES:
            for name, data in content.items():
                with ftp.begin(mode, f"STOR {tunnel.place.name}/{name}") \
                        as upload:
                    upload.send(data)
                ftp.expect("226")
                assert ftp.fetch(
                    mode, f"RETR {tunnel.place.name}/{name}") == data
                assert (tunnel.place / name).read_bytes() == data
        ftp.exchange("QUIT", "221")
        ftp.expect_end()
    tunnel.culvert.wait_log(r"\] ended$")
    assert "lost" not in tunnel.culvert.output


@closing
@modes
def test_ftp_server_killed_in_download(kind, mode, start_ssh_server,
                                       start_server, start_culvert, tmp):
    """For the SSH server that is an error or an end of file."""
    server = start_server("vsftpd")
    place = server.mkdir(tmp.name)
    culvert = start_culvert(f"0:127.0.0.1:{server.port}",
                            sshd=start_ssh_server(kind))
    with Ftp(culvert, server) as ftp:
        data = ftp.begin_download(mode, place)
        server.kill()
        if kind == "gliderlabs":
            data.expect_reset()
        else:
            with contextlib.suppress(ConnectionResetError):
                data.read_all()
        no_success(replies_to_end(ftp))
    culvert.wait_log(r'download RETR ".*huge", \d+ bytes: cut: ')


@modes
@pytest.mark.parametrize("first, last, told", [
    ("150 opening", "226 done", "226"),
    ("150 opening x (6 bytes)", "226 done", "226"),
    ("150 opening x (7 bytes)", "226 done", "426"),
    ("150 opening", "426 broken", "426"),
    ("150 opening", "451 broken", "451"),
    ("150 opening", None, "426"),
], ids=["no size", "size", "short", "426", "451", "ends"])
def test_unproven_end(mode, first, last, told, start_ssh_server, session):
    """The FTP server's reply after it decides."""
    one = session(sshd=start_ssh_server("gliderlabs"))
    client, server = one
    client.command("TYPE I")
    server.expect_command("TYPE I")
    server.reply("200 ok")
    client.expect("200")
    near, far = one.data(mode, "RETR file", first=first)
    far.send(b"a part")
    far.close()
    near.expect_bytes(b"a part")
    if last:
        server.reply(last)
    else:
        server.close()
    if told[0] == "2":
        near.expect_end()
    else:
        near.expect_reset()
    near.close()
    client.expect(told)


@closing
def test_upload_ended_by_the_server(kind, start_ssh_server, session):
    """The server has closed the data connection before the client: a failure.
    """
    one = session(sshd=start_ssh_server(kind))
    near, far = one.data("passive", "STOR file")
    near.send_to(far, b"a part")
    far.close()
    if kind == "gliderlabs":
        near.expect_reset()
    else:
        near.expect_end()
    one.server.reply("226 stored")
    one.client.expect("426")
    one.culvert.wait_log(r'upload STOR "file", 6 bytes: TRUNCATED: ')


@modes
@pytest.mark.parametrize("lives", [True, False], ids=["lives", "killed"])
def test_unproven_end_of_a_far_client(mode, lives, start_ssh_server,
                                      start_tunnel):
    """The end of an upload counts as long as the client lives."""
    tunnel = start_tunnel(start_ssh_server("gliderlabs"), "remote")
    with tunnel.ftp() as ftp:
        data = ftp.begin_upload(mode, tunnel.place, "part")
        data.close()
        if lives:
            ftp.expect("226")
            ftp.exchange("NOOP", "200")
    tunnel.culvert.wait_log(
        rf'upload STOR ".*part", {PART} bytes: complete' if lives else
        rf'upload STOR ".*part", {PART} bytes: (cut|TRUNCATED): ')


@modes
def test_far_client_waits_half_a_second(mode, start_ssh_server,
                                        start_tunnel):
    """A file whose end is not proven takes half a second, not two."""
    tunnel = start_tunnel(start_ssh_server("gliderlabs"), "remote")
    (tunnel.place / "file").write_bytes(b"content")
    with tunnel.ftp() as ftp:
        began = time.monotonic()
        for _ in range(4):
            assert ftp.fetch(
                mode, f"RETR {tunnel.place.name}/file") == b"content"
        assert time.monotonic() - began < 4
        began = time.monotonic()
        for _ in range(4):
            with ftp.begin(mode, f"STOR {tunnel.place.name}/up") as upload:
                upload.send(b"content")
            ftp.expect("226")
        assert time.monotonic() - began < 4


@modes
def test_far_client_killed_in_download(mode, start_ssh_server, start_tunnel):
    """All bytes are in transit: the end of a dead client proves nothing."""
    tunnel = start_tunnel(start_ssh_server("gliderlabs"), "remote")
    (tunnel.place / "file").write_bytes(bytes(100000))
    with tunnel.ftp() as ftp:
        data = ftp.begin(mode, f"RETR {tunnel.place.name}/file")
        data.close()
    tunnel.culvert.wait_log(r'download RETR ".*file", \d+ bytes: cut: ')


# ---- remote forwards that do not work ----

def test_translated(start_ssh_server, start_tunnel, tmp):
    """Active mode becomes passive, and the log says so once."""
    tunnel = start_tunnel(start_ssh_server("asyncssh"), "local")
    for _ in range(2):
        get(tunnel.target, "active", tunnel.place, tmp)
        put(tunnel.target, "active", tunnel.place, tmp)
    said = [line for line in tunnel.culvert.process.lines
            if "translated to passive" in line]
    assert len(said) == 1 and "does not arrive" in said[0], said


def test_no_remote_tunnel(start_ssh_server, start_culvert):
    """The server cannot listen on a port of its choice: the message says so.
    """
    one = start_culvert(remotes=["0:127.0.0.1:21"], ready=False,
                        sshd=start_ssh_server("asyncssh"))
    assert one.process.wait() == 1, one.output
    assert "listening on" not in one.output
    assert "does not arrive" in one.output


def test_remote_tunnel_on_a_port(start_ssh_server, start_tunnel, ns, tmp):
    """With a given port it can; then active clients are served."""
    tunnel = start_tunnel(start_ssh_server("asyncssh"), "remote",
                          port=ns.free_port())
    get(tunnel.target, "active", tunnel.place, tmp)
    put(tunnel.target, "active", tunnel.place, tmp)
    with tunnel.ftp() as ftp:
        ftp.exchange("PASV", "425")


# ---- culvert check ----

@pytest.mark.parametrize("kind", SSH_SERVERS)
def test_check(kind, start_ssh_server, server, checker):
    """Both modes work, or the report names the one that does."""
    sshd, one = start_ssh_server(kind), server("vsftpd")
    checker.netrc(one)
    report = checker("-F", sshd.config, "-L", f"0:127.0.0.1:{one.port}",
                    sshd.host)
    assert report.json["transfers"] == "work", report.brief()
    assert report.find("PASV")["status"] == "ok", report.brief()
    if SSH_SERVERS[kind].remote_forwards:
        assert report.find("PORT")["status"] == "ok", report.brief()
        return
    assert ("culvert's command line", "--server-mode passive") \
        in report.fixes("remote forward"), report.brief()
    assert "--server-mode passive" in report.json["command"]


def test_check_remote(start_ssh_server, checker):
    """What is wrong with a port of asyncssh's choice."""
    sshd = start_ssh_server("asyncssh")
    report = checker("-F", sshd.config, "-R", "0:127.0.0.1:21", sshd.host)
    assert "does not arrive" in report.find("remote forward")["text"]
    assert report.status == 1
