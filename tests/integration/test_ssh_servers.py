"""SSH servers other than OpenSSH's: dropbear, asyncssh, paramiko, ssh2, Go.

Each carries a local and a remote tunnel: both modes, downloads and uploads, a
file of 1 MiB and an empty one.  Others are killed in mid-transfer.
"""

import contextlib

import pytest

import netns
import servers
from clients import Target
from ssh_servers import SSH_SERVERS
from topology import get, put
from transfer import (MODES, PART, Ftp, make_huge, no_success,
                      replies_to_end)

# Those whose tunnels of that kind work.
TUNNELS = [("dropbear", "local"), ("dropbear", "remote"),
           ("paramiko", "local"), ("paramiko", "remote")]
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

    def start(sshd, way, options=("-v", "-v"), **how):
        if way == "local":
            one = server("vsftpd")
            culvert = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                                    options=options, **how)
            return Tunnel(culvert, one, one.mkdir(tmp.name))
        one = servers.Server("vsftpd", netns.Here(), directories())
        started.append(one)
        culvert = start_culvert(remotes=[f"0:127.0.0.1:{one.port}"],
                                sshd=sshd, options=options, **how)
        return Tunnel(culvert, one, one.mkdir(tmp.name), ns)

    yield start
    for one in started:
        one.stop()


@tunnels
def test_transfers(kind, way, start_ssh_server, start_tunnel, tmp):
    """In each mode the files are whole and the client is content."""
    tunnel = start_tunnel(start_ssh_server(kind), way)
    for mode in MODES:
        get(tunnel.target, mode, tunnel.place, tmp)
        put(tunnel.target, mode, tunnel.place, tmp)


@tunnels
def test_cut_download(kind, way, start_ssh_server, start_tunnel):
    """The SSH server is killed in a download: nothing good is said."""
    sshd = start_ssh_server(kind)
    tunnel = start_tunnel(sshd, way)
    make_huge(tunnel.place / "huge")
    with tunnel.ftp() as ftp:
        data = ftp.begin("passive", f"RETR {tunnel.place.name}/huge")
        data.read(PART)
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
        replies = replies_to_end(ftp.control)
        assert [text[:3] for text in replies] == ["426", "421"], replies
    else:
        with contextlib.suppress(ConnectionResetError):
            data.read_all()
        with contextlib.suppress(ConnectionResetError):
            no_success(replies_to_end(ftp.control))
