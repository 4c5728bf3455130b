"""-L socks/ with rules: [rule NAME] says where a client's session goes."""

import contextlib
import ftplib
import io
import os
import signal

import pytest

import culvert as culvert_module
import socks
from clients import make_file
from process import until
from socks import Ftp, Socks
from test_gateway_login import line
from topology import MODES

SIZE = 300_000

# The address of culvert's host for the client of another host.
LAN = "192.0.2.2"


@pytest.fixture
def up(topology, tmp):
    """Return a function that starts culvert with rules; returns a Socks.

    rules: lists of lines.  The tunnels are "lan" (SOCKS), "other" (to another
    destination) and "files" (the gateway).
    """
    path = tmp / "culvert.conf"
    (tmp / "files").mkdir()
    (tmp / "logins").write_text(line("scanner", "secret"))
    (tmp / "logins").chmod(0o600)
    with contextlib.ExitStack() as stack:
        def write(*rules):
            first, second = (topology.sshd(*lines) for lines in (
                (), ("ClientAliveInterval 0",)))
            lines = []
            for name, sshd, own in [
                    ("lan", first, ["L = socks/0", f"L = socks/{LAN}:0",
                                    "allow = 192.0.2.0/24",
                                    "allow = 127.0.0.0/8"]),
                    ("other", second, ["L = 0:localhost:21", "read-only = yes"]),
                    ("files", first, [f"L = sftp/0:{tmp}/files",
                                      f"login-file = {tmp}/logins"])]:
                lines += [f"[tunnel {name}]", "destination = files.test",
                          f"F = {sshd.config}", *own]
            for number, own in enumerate(rules):
                lines += [f"[rule r{number}]", *own]
            path.write_text("\n".join([*lines, ""]))

        def start(*rules):
            write(*rules)
            one = culvert_module.Up(
                topology.directory(), path, ["--all"], None,
                options=["-v", "-v"], wrap=topology.near.argv([]))
            stack.callback(one.kill)

            def stop():
                if one.alive():
                    one.stop()
                one.check()

            stack.callback(stop)
            topology.note(one)
            port = int(one.wait_log(
                r"lan: listening on 127\.0\.0\.1:(\d+)")[1])
            lan = int(one.wait_log(rf"lan: listening on {LAN}:(\d+)")[1])
            one.wait_log("other: listening on")
            one.wait_log("files: listening on")
            front = Socks(topology.near, "127.0.0.1", port)
            front.culvert = one
            front.beside = Socks(topology.near_end, LAN, lan)
            return front

        yield start


@pytest.fixture
def server(topology):
    """Return vsftpd on far_end, at a port that is not 21."""
    return topology.start_server("vsftpd", "far_end", "ipv4")


def to_server(server, *lines):
    """Return a rule for that server."""
    return [f"match-host = {server.address}", f"match-port = {server.port}",
            *lines]


def transfer(ftp, place, mode):
    """A download and an upload."""
    make_file(place / "there", SIZE)
    with ftp.begin(f"RETR {place.name}/there", mode) as data:
        assert socks.receive(data, SIZE) == (place / "there").read_bytes()
    ftp.voidresp()
    with ftp.begin(f"STOR {place.name}/stored", mode) as data:
        data.sendall((place / "there").read_bytes())
    ftp.voidresp()
    until(lambda: (place / "stored").read_bytes()
          == (place / "there").read_bytes(), "the file is stored")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lines", [
    ["action = tunnel lan"], ["match-user = tester", "action = tunnel lan"]],
    ids=["server", "user"])
def test_tunnel(up, server, tmp, mode, lines):
    """A port other than 21; the tunnel is that of the clients, or another."""
    front = up(to_server(server, *lines))
    with contextlib.closing(Ftp(front, server)) as ftp:
        transfer(ftp, server.mkdir(tmp.name), mode)
    front.culvert.wait_log(rf"\[1\] control connection from .*, to"
                           rf" {server.address}:{server.port}$")


@pytest.mark.parametrize("mode", MODES)
def test_other_tunnel(up, server, tmp, mode):
    """The session is one of that tunnel: its options apply."""
    front = up(to_server(server, "action = tunnel other"))
    place = server.mkdir(tmp.name)
    make_file(place / "there", SIZE)
    with contextlib.closing(Ftp(front, server)) as ftp:
        with ftp.begin(f"RETR {place.name}/there", mode) as data:
            assert socks.receive(data, SIZE) == (place / "there").read_bytes()
        ftp.voidresp()
        with pytest.raises(ftplib.error_perm, match="550 .*read-only"):
            ftp.sendcmd(f"DELE {place.name}/there")
        front.culvert.wait_log(r"other: \[1\] -> RETR")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["lan", "other"])
def test_client_of_another_host(up, server, tmp, name, mode):
    """In active mode PORT names culvert's address, where BIND listens."""
    front = up(to_server(server, f"action = tunnel {name}")).beside
    place = server.mkdir(tmp.name)
    make_file(place / "there", SIZE)
    with contextlib.closing(Ftp(front, server)) as ftp:
        with ftp.begin(f"RETR {place.name}/there", mode) as data:
            assert socks.receive(data, SIZE) == (place / "there").read_bytes()
        ftp.voidresp()


@pytest.mark.parametrize("mode", MODES)
def test_sftp(up, tmp, mode):
    """The gateway of a tunnel, for any FTP server's name."""
    front = up(["match-host = *.plant", "action = sftp files"])

    class Gateway:
        """What the client takes for a server."""

        address, port, user, password = "scans.plant", 21, "scanner", "secret"

    content = os.urandom(SIZE)
    with contextlib.closing(socks.Ftp.__new__(Ftp)) as ftp:
        ftplib.FTP.__init__(ftp, timeout=20)
        ftp.socks, ftp.host = front, Gateway.address
        ftp.sock = front.connect(Gateway.address, 21)
        ftp.af = ftp.sock.family
        ftp.file = ftp.sock.makefile("r", encoding=ftp.encoding)
        ftp.welcome = ftp.getresp()
        ftp.login(Gateway.user, Gateway.password)
        ftp.voidcmd("TYPE I")
        if mode == "passive":
            data = front.connect(*ftp.passive())
            assert ftp.sendcmd("STOR one")[0] == "1"
        else:
            data, (_, host, port) = front.send(socks.BIND, "0.0.0.0", 0)
            ftp.sendport(host, port)
            assert ftp.sendcmd("STOR one")[0] == "1"
            assert socks.reply5(data)[0] == socks.GRANTED
        with data:
            data.sendall(content)
        ftp.voidresp()
    assert (tmp / "files/one").read_bytes() == content


def test_direct(up, topology, tmp):
    """Without SSH, by culvert's host."""
    near = topology.start_server("vsftpd", "near_end", "ipv4")
    front = up(to_server(near, "action = direct"))
    with contextlib.closing(Ftp(front, near)) as ftp:
        transfer(ftp, near.mkdir(tmp.name), "passive")


def test_refused(up, server):
    """By a rule, by none, and by one that needs the user."""
    front = up(to_server(server, "match-user = bob", "action = tunnel lan"),
               ["match-host = no.plant", "action = refuse"])
    assert front.code(socks.CONNECT, "no.plant", 21) == socks.NOT_ALLOWED
    assert front.code(socks.CONNECT, server.address, 21) == socks.NOT_ALLOWED
    front.culvert.wait_log(r"\[rule r1\] refuses no.plant:21")
    front.culvert.wait_log("no .rule NAME. matches")
    # Nothing is known yet: so it is granted.
    with front.connect(server.address, server.port) as sock:
        file = sock.makefile("r")
        assert file.readline().startswith("220 ")
        sock.sendall(b"USER alice\r\n")
        assert file.readline().startswith("421 ")
        assert file.readline() == ""


def test_link_of_the_other_tunnel_is_lost(up, server, tmp):
    """The session ends with 421; it does not go another way."""
    front = up(to_server(server, "action = tunnel other"))
    with contextlib.closing(Ftp(front, server)) as ftp:
        assert ftp.pwd() == "/"
        for pid in front.culvert.all_ssh():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises((ftplib.error_temp, EOFError)):
            ftp.pwd()


@pytest.mark.parametrize("mode", MODES)
def test_reload(up, server, tmp, mode):
    """New rules are in force for new clients.  A session of another tunnel goes
    on, with new data connections, when the SOCKS tunnel is replaced.
    """
    front = up(to_server(server, "action = tunnel other"))
    place = server.mkdir(tmp.name)
    make_file(place / "there", SIZE)
    with contextlib.closing(Ftp(front, server)) as ftp:
        path = tmp / "culvert.conf"
        port = front.at[1]
        path.write_text(path.read_text().replace(
            "L = socks/0", f"L = socks/{port}\nmax-data = 3").replace(
                "action = tunnel other", "action = refuse"))
        mark = front.culvert.process.mark()
        front.culvert.process.send_signal(signal.SIGHUP)
        front.culvert.wait_log("lan: listening on", start=mark)
        assert front.code(socks.CONNECT, server.address, server.port) \
            == socks.NOT_ALLOWED
        with ftp.begin(f"RETR {place.name}/there", mode) as data:
            assert socks.receive(data, SIZE) == (place / "there").read_bytes()
        ftp.voidresp()


def test_end_with_a_session(up, server):
    """culvert ends while a session of another tunnel uses the front."""
    front = up(to_server(server, "action = tunnel other"))
    with contextlib.closing(Ftp(front, server)) as ftp:
        ftp.passive()
        front.culvert.stop()
        with pytest.raises((ftplib.error_temp, EOFError)):
            ftp.pwd()
