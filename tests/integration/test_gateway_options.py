"""Each option of the gateway does what it is for, with real sessions.

--login-file: test_gateway_login.py; --upload, --fsync: test_gateway_servers.py;
--sftp-max-packet, --no-concurrent-writes: test_gateway_quirks.py.
"""

import ftplib
import os

import pytest

import cli
from gateways import Gateway, content, fetch, lines, store
from sftp_servers import FAR, OpenSsh, subsystem
from ssh_servers import PROGRAMS, PYTHON
from test_reload import reload


@pytest.fixture
def gateway(ns, directories, request):
    """Return a function that starts a gateway with such options."""
    started = []

    def start(*extra, kind=OpenSsh, **how):
        one = Gateway(kind(ns, directories()), directories(), extra, **how)
        started.append(one)
        request.node.culverts = [(one.culvert, 0)]
        return one

    yield start
    for one in started:
        one.stop()


# ---- --client-charset ----

def test_client_charset(gateway):
    """Names of a client with CP850 are UTF-8 on the server."""
    one = gateway("--client-charset", "CP850")
    path, folder = one.folder()
    (path / "\u03a9").touch()     # CP850 does not have it
    with one.login(encoding="cp850") as ftp:
        store(ftp, f"{folder}/M\u00fcll", b"new")
        assert (path / "M\u00fcll").read_bytes() == b"new"
        assert fetch(ftp, f"RETR {folder}/M\u00fcll") == b"new"
        assert sorted(lines(ftp, f"NLST {folder}")) == [
            f"{folder}/M\u00fcll", f"{folder}/\u256c\u00ae"]
        ftp.rename(f"{folder}/M\u00fcll", f"{folder}/\u00e9t\u00e9")
        assert ftp.mkd(f"{folder}/\u00c4") == f"{one.server.root}/{folder}/\u00c4"
    with one.login() as ftp:
        ftp.sendcmd("OPTS UTF8 ON")
        assert sorted(lines(ftp, f"NLST {folder}")) == [
            f"{folder}/\u00c4", f"{folder}/\u00e9t\u00e9", f"{folder}/\u03a9"]


@pytest.mark.parametrize("name", ["KLINGON", "UTF-16", ""])
def test_wrong_charset(name, sshd, tmp):
    """culvert does not start, and config --test finds it."""
    why = "libc has no such character set"
    status, said = cli.run(tmp, "-F", sshd.config, "-L", "sftp/0",
                           "--client-charset", name, sshd.host)
    assert status == 2 and why in said
    path = tmp / "wrong.conf"
    path.write_text(f"[tunnel a]\ndestination = {sshd.host}\n"
                    f"L = sftp/0\nclient-charset = {name or 'X'}\n")
    status, said = cli.run(tmp, "config", "-f", path, "--test")
    assert status == 1 and f"{path}:4: " in said and why in said


def test_reload_of_charset(sshd, tmp, start_up, ns):
    """A wrong one changes nothing; a right one is used."""
    path, files = tmp / "culvert.conf", tmp / "files"
    files.mkdir()
    (files / "M\u00fcll").touch()
    text = (f"[tunnel a]\ndestination = {sshd.host}\nF = {sshd.config}\n"
            f"L = sftp/{ns.free_port()}:{files}\n")
    path.write_text(text)
    one = start_up(path, "--all", options=["-v"])
    for name, said, encoding in (
            ("KLINGON", "nothing has been changed", "utf-8"),
            ("CP850", "1 new", "cp850")):
        path.write_text(text + f"client-charset = {name}\n")
        reload(one, said)
        with ftplib.FTP(encoding=encoding) as ftp:
            ftp.connect(*one.listeners[0])
            ftp.login("anybody", "anything")
            assert ftp.nlst() == ["M\u00fcll"]


# ---- text files, times and modes ----

@pytest.mark.parametrize("newline, stored, got", [
    ("lf", b"a\nb\n", b"a\r\nb\r\n"),
    ("crlf", b"a\r\nb\r\n", b"a\r\nb\r\n"),
    ("none", b"a\r\nb\n", b"a\r\nb\n"),
])
def test_remote_newline(newline, stored, got, gateway):
    """What TYPE A makes of lines, both ways."""
    one = gateway("--remote-newline", newline)
    path, folder = one.folder()
    with one.login() as ftp:
        ftp.sendcmd("TYPE A")
        store(ftp, f"{folder}/text", b"a\r\nb\n")
        assert (path / "text").read_bytes() == stored
        assert fetch(ftp, f"RETR {folder}/text") == got


def test_no_setstat(gateway):
    """No time and no mode is set."""
    one = gateway("--no-setstat")
    path, folder = one.folder()
    (path / "file").touch(0o640)
    os.utime(path / "file", (1, 1))
    with one.login() as ftp:
        assert ftp.sendcmd(f"MFMT 20200101000000 {folder}/file").endswith(
            "(the SFTP server does not store times)")
        with pytest.raises(ftplib.error_perm, match="550 .*--no-setstat"):
            ftp.sendcmd(f"SITE CHMOD 600 {folder}/file")
        status = (path / "file").stat()
        assert status.st_mtime == 1 and status.st_mode & 0o777 == 0o640
        store(ftp, f"{folder}/file", b"new")
        assert (path / "file").read_bytes() == b"new"


# ---- requests and channels ----

@pytest.mark.parametrize("options, refused", [
    ([], True), (["--sftp-requests", "1"], False)])
def test_sftp_requests(options, refused, gateway):
    """A server that cannot serve several READs at a time."""
    one = gateway("--sftp-max-packet", "16K", *options, kind=subsystem(
        PYTHON, PROGRAMS / "sftp_quirks.py", "one_read"))
    path, folder = one.folder()
    (path / "file").write_bytes(content(300_000))
    with one.login() as ftp:
        if refused:
            with pytest.raises(ftplib.Error, match="451 Illegal seek"):
                fetch(ftp, f"RETR {folder}/file")
        else:
            assert fetch(ftp, f"RETR {folder}/file") == content(300_000)


@pytest.mark.parametrize("channels", [1, 2])
def test_sftp_channels(channels, gateway):
    """An upload uses no more than those, on a long path."""
    one = gateway("-vvv", "--sftp-channels", str(channels), *FAR,
                  "--no-session")
    path, folder = one.folder()
    with one.login() as ftp:
        store(ftp, f"{folder}/file", content(5_000_000))
        assert (path / "file").read_bytes() == content(5_000_000)
    assert one.culvert.output.count("new mux-proxy [session]") == channels
