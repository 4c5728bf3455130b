"""-L socks/: transfers that are cut; drain, reload, status and culvert check."""

import contextlib
import os
import signal

import pytest

import cli
import netns
import socks
from checker import set_key_options
from socks import Ftp, Socks
from test_reload import reload
from test_status import tunnels_of
from test_up import conf  # noqa: F401
from topology import MODES
from transfer import PART, make_huge, wait_size

# pylint: disable=redefined-outer-name

modes = pytest.mark.parametrize("mode", MODES)
versions = pytest.mark.parametrize("version", [4, 5])


@pytest.fixture
def server(start_server):
    """Return vsftpd on port 21, on the host of sshd."""
    return start_server("vsftpd", port=21)


@pytest.fixture
def place(server, tmp):
    """Return a directory of its own."""
    return server.mkdir(tmp.name)


@pytest.fixture
def open_ftp(server):
    """Return a function that opens a session through a culvert."""
    with contextlib.ExitStack() as stack:
        def open_one(tunnel, version=5):
            one = Socks(netns.Here, "127.0.0.1", tunnel.port, version)
            return stack.enter_context(contextlib.closing(Ftp(one, server)))
        yield open_one


def replies(ftp):
    """Return the codes of all replies up to the end."""
    return [line[:3] for line in ftp.file.read().splitlines()]


# ---- the link is lost ----

@versions
@modes
def test_link_download(start_culvert, open_ftp, place, version, mode):
    """The data connection is reset; 426 and 421 follow."""
    make_huge(place / "huge")
    tunnel = start_culvert("socks/0")
    ftp = open_ftp(tunnel, version)
    with ftp.begin(f"RETR {place.name}/huge", mode) as data:
        socks.receive(data, PART)
        os.kill(tunnel.ssh, signal.SIGKILL)
        with pytest.raises(ConnectionResetError):
            while data.recv(1 << 20):
                pass
    assert replies(ftp) == ["426", "421"]
    tunnel.wait_log(rf'download RETR "{place.name}/huge", \d+ bytes: cut: '
                    ".*lost")
    assert tunnel.process.wait() == 1


@versions
@modes
def test_link_upload(start_culvert, open_ftp, place, version, mode):
    """The same, and the log says that the server may keep a part."""
    tunnel = start_culvert("socks/0")
    ftp = open_ftp(tunnel, version)
    with ftp.begin(f"STOR {place.name}/part", mode) as data:
        data.sendall(bytes(PART))
        wait_size(place / "part")
        os.kill(tunnel.ssh, signal.SIGKILL)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                data.sendall(bytes(PART))
    assert replies(ftp) == ["426", "421"]
    tunnel.wait_log(rf'upload STOR "{place.name}/part", \d+ bytes: '
                    "TRUNCATED: ")
    assert tunnel.process.wait() == 1


@modes
def test_server_killed(start_culvert, open_ftp, server, place, mode):
    """The server dies in a download: no 226, however its kernel ends it."""
    make_huge(place / "huge")
    tunnel = start_culvert("socks/0")
    ftp = open_ftp(tunnel)
    with ftp.begin(f"RETR {place.name}/huge", mode) as data:
        socks.receive(data, PART)
        server.kill()
        with contextlib.suppress(ConnectionResetError):
            while data.recv(1 << 20):
                pass
    assert replies(ftp)[0] == "426"
    tunnel.wait_log("bytes: cut[:;] ")


# ---- the client dies ----

def test_bind_given_up(start_culvert, open_ftp, place):
    """A client that closes its BIND and lets the server connect."""
    (place / "file").write_bytes(b"x" * 1000)
    tunnel = start_culvert("socks/0")
    ftp = open_ftp(tunnel)
    data, _ = ftp.active()
    data.close()
    ftp.putcmd(f"RETR {place.name}/file")
    code = ftp.getmultiline()[:3]
    if code == "150":
        code = ftp.getmultiline()[:3]
    assert code in ("425", "426"), code


# ---- draining, and a new configuration ----

def test_drain(start_culvert, open_ftp, place):
    """A transfer that was prepared before the drain still gets its data."""
    (place / "file").write_bytes(b"x" * 100_000)
    tunnel = start_culvert("socks/0")
    ftp = open_ftp(tunnel)
    with ftp.begin(f"RETR {place.name}/file", "passive") as data:
        socks.receive(data, 1000)
        tunnel.process.send_signal(signal.SIGUSR1)
        assert len(data.makefile("rb").read()) == 99_000
    assert replies(ftp) == ["226", "421"]
    assert tunnel.process.wait() == 0


@modes
def test_reload(conf, sshd, start_up, open_ftp, place, mode):
    """A session of the old tunnel gets data connections by the new one."""
    (place / "file").write_bytes(b"x" * 100_000)
    lines = ["destination = files.test", f"F = {sshd.config}"]
    path = conf(proxy=[*lines, "L = socks/0"])
    one = start_up(path, "--all")
    lines.append(f"L = socks/{one.port}")
    conf(proxy=lines)
    reload(one, "0 tunnels unchanged, 1 removed, 1 new")
    ftp = open_ftp(one)
    if mode == "passive":
        at = ftp.passive()
    else:
        ftp.active()
    conf(proxy=[*lines, "max-lines = 50"])
    reload(one, "0 tunnels unchanged, 1 removed, 1 new")
    data = ftp.socks.connect(*at) if mode == "passive" else None
    if mode == "active":
        data, _ = ftp.active()
    ftp.sendcmd(f"RETR {place.name}/file")
    if mode == "active":
        assert socks.reply5(data)[0] == socks.GRANTED
    with data:
        assert len(data.makefile("rb").read()) == 100_000
    assert replies(ftp) == ["226", "421"]


# ---- what people see ----

def test_status(start_culvert, open_ftp):
    """culvert status shows the kind of tunnel, and the session."""
    tunnel = start_culvert("socks/0")
    open_ftp(tunnel)
    one = tunnels_of(tunnel)[None]
    assert one["server"] == "socks"
    assert len(one["sessions"]) == 1


def test_check(sshd, checker):
    """culvert check: it listens; the servers are not known."""
    report = checker("-F", sshd.config, "-L", "socks/0", sshd.host)
    assert report.find("FTP")["status"] == "untried"
    assert "names its FTP server" in report.find("FTP")["text"]
    assert report.find("listen")["forward"] == "-L socks/0"
    assert report.json["transfers"] == "unknown"


def test_exposed(sshd, tmp):
    """Beyond loopback it needs --allow, as every tunnel."""
    status, said = cli.run(tmp, "-F", sshd.config, "-L", "socks/*:0",
                           sshd.host)
    assert status == 1
    assert "--allow FROM says which may" in said


def test_key(start_sshd, checker, open_ftp, place, start_culvert):
    """The key line that culvert check prints is enough."""
    sshd = start_sshd()
    report = checker("-F", sshd.config, "-L", "socks/0", sshd.host)
    set_key_options(sshd, report.json["authorized_keys"])
    (place / "file").write_bytes(b"x" * 1000)
    ftp = open_ftp(start_culvert("socks/0", sshd=sshd))
    for mode in MODES:
        with ftp.begin(f"RETR {place.name}/file", mode) as data:
            assert len(data.makefile("rb").read()) == 1000
        ftp.voidresp()
