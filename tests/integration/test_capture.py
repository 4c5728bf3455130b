"""Captured connections: a LAN whose devices have no setting for culvert."""

import contextlib
import filecmp
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import types

import pytest

import documents
import scripted
from capture import PORT, Lan
from culvert import PROGRAM, REPO
from clients import CANNOT, CLIENTS, Target, make_file
from process import until
from servers import NOBODY
from sshd import QUICK, Sshd
from test_gateway_login import line
from topology import FAMILIES, MODES, get, put

CAPTURES = ["redirect", "tproxy"]


@pytest.fixture
def lan(topology, tmp):
    """Return the LAN of a test."""
    with contextlib.closing(Lan(topology, tmp)) as one:
        one.make_routes()
        yield one


def far_server(topology, family, kind="vsftpd"):
    """Return an FTP server on the far LAN."""
    return topology.server(kind, "far_end", family)


def to_tunnel(server, *more):
    """Return a rule that sends what goes to that server through the tunnel."""
    return [("files", [f"match-host = {server.address}",
                       f"match-port = {server.port}", *more,
                       "action = tunnel lan"])]


@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_device(lan, topology, capture, mode, family, tmp):
    """A client with no setting at all: files in both directions, by SSH."""
    server = far_server(topology, family)
    lan.configure(capture, to_tunnel(server))
    lan.start()
    place = server.mkdir(tmp.name)
    get(lan.target(server), mode, place, tmp)
    put(lan.target(server), mode, place, tmp, old=family == "ipv4")


# With redirect, data connections in active mode come from the gateway's own
# address, and these clients compare that with the server's.
COMPARE = {"ncftp"}


@pytest.mark.parametrize("name", sorted(CLIENTS))
@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("mode", MODES)
def test_clients(lan, topology, capture, mode, name, tmp):
    """The FTP clients of Debian fetch and store a file."""
    client = CLIENTS[name]
    server = far_server(topology, "ipv4")
    lan.configure(capture, to_tunnel(server))
    lan.start()
    place = server.mkdir(tmp.name)
    make_file(place / "file", 100_000)
    target = lan.target(server)
    result = client.get(target, mode, f"{tmp.name}/file", tmp / "got")
    print(result.output)
    if capture == "redirect" and mode == "active" and name in COMPARE:
        assert not (tmp / "got").exists(), "it does not compare any more"
        return
    assert filecmp.cmp(place / "file", tmp / "got", False), result.output
    if (name, "put") in CANNOT:
        return
    result = client.put(target, mode, place / "file", f"{tmp.name}/new")
    until(lambda: filecmp.cmp(place / "file", place / "new", False),
          "the file is stored")


def log_in(ftp, server):
    """Log in as the server's user."""
    ftp.exchange(f"USER {server.user}", "331")
    ftp.exchange(f"PASS {server.password}", "230")


def hear(lan, server, start):
    """Connect as the device does; expect that reply; return the rest."""
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect(start)
        return ftp.read_all().decode()


def test_records(lan, topology, tmp):
    """The status and the transfer log say which server it was."""
    server = far_server(topology, "ipv6")
    lan.configure("redirect", to_tunnel(server),
                  defaults=[f"transfer-log = {tmp}/log"])
    culvert = lan.start()
    place = server.mkdir(tmp.name)
    name = f"[{server.address}]:{server.port}"
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220")
        said = subprocess.run([PROGRAM, "status", "--json"], check=True,
                              capture_output=True, text=True, env={
                                  **os.environ,
                                  "XDG_RUNTIME_DIR": culvert.dir}).stdout
        tunnel = json.loads(said)["destinations"][0]["tunnels"][0]
        assert tunnel["server"] == "captured"
        assert tunnel["sessions"][0]["server"] == name
    get(lan.target(server), "passive", place, tmp)
    until(lambda: len((tmp / "log").read_text().splitlines()) == 2,
          "two records")
    for record in (tmp / "log").read_text().splitlines():
        assert json.loads(record)["server"] == name


@pytest.mark.parametrize("capture", CAPTURES)
def test_refuse(lan, topology, capture):
    """A rule refuses, or no rule matches: 421 with the reason, and a line."""
    one = far_server(topology, "ipv4")
    other = far_server(topology, "ipv4", "pyftpdlib")
    lan.configure(capture, [
        ("no", [f"match-port = {one.port}", "action = refuse"]),
        ("other", [f"match-port = {other.port}", "match-user = nobody",
                   "action = tunnel lan"])])
    culvert = lan.start()
    assert hear(lan, one, "421 Refused by culvert: [rule no] refuses") == ""
    culvert.wait_log(r"lan: refused a client from 192.0.2.1:\d+: "
                     r"\[rule no\] refuses 203.0.113.4:")
    with scripted.dial(other.address, other.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220 ")
        ftp.exchange("USER somebody", "421 Refused by culvert: no [rule NAME]"
                     " matches")
        assert ftp.read_all() == b""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("capture", CAPTURES)
def test_user(lan, topology, capture, family, tmp):
    """The FTP user decides; culvert greets, and hands over what was said."""
    server = far_server(topology, family)
    lan.configure(capture, [
        ("users", [f"match-port = {server.port}",
                   f"match-user = {server.user[:3]}*",
                   "action = tunnel lan"])])
    culvert = lan.start()
    place = server.mkdir(tmp.name)
    get(lan.target(server), "passive", place, tmp)
    put(lan.target(server), "passive", place, tmp)
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        # All at once, as some devices do.
        ftp.send(b"AUTH TLS\r\nFEAT\r\nNOOP\r\nUSER %s\r\nPASS %s\r\nPWD\r\n"
                 % (server.user.encode(), server.password.encode()))
        for start in "220", "534", "530", "200", "331", "230", "257":
            ftp.expect(start)
        ftp.exchange("QUIT", "221")
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220")
        ftp.exchange("QUIT", "221")
        assert ftp.read_all() == b""
    culvert.wait_log("control connection from .*, to ")


def test_user_of_nobody(lan, topology):
    """Who sends no USER in time is told so; the end of culvert, too."""
    server = far_server(topology, "ipv4")
    lan.configure("redirect", to_tunnel(server, "match-user = a"),
                  more=["login-timeout = 1"])
    culvert = lan.start()
    assert hear(lan, server, "220") == "421 Nobody has logged in in time.\r\n"
    lan.configure("redirect", to_tunnel(server, "match-user = a"))
    mark = culvert.mark()
    os.kill(culvert.pid, signal.SIGHUP)
    culvert.wait_log("reloaded", start=mark)
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220")
        culvert.stop()
        ftp.expect("421")


def test_direct(lan, topology, tmp):
    """The gateway itself connects to the server: no SSH is needed for that."""
    near = topology.near
    server = topology.server("vsftpd", "near", "ipv4",
                             address=near.address("ipv4", "link"))
    lan.configure("redirect", [("here", [f"match-host = {server.address}",
                                         f"match-port = {server.port}",
                                         "action = direct"])],
                  more=["read-only = yes"])
    culvert = lan.start()
    place = server.mkdir(tmp.name)
    for mode in MODES:
        get(lan.target(server), mode, place, tmp)
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220")
        log_in(ftp, server)
        os.kill(culvert.ssh, signal.SIGKILL)
        culvert.wait_log("SSH connection|ssh .*ended|lost")
        ftp.exchange("NOOP", "200")
        ftp.exchange("DELE x", "550")


@pytest.mark.parametrize("capture", CAPTURES)
def test_lost_link(lan, topology, capture, tmp):
    """The link is lost: 421, for those that come later as well."""
    server = far_server(topology, "ipv4")
    sshd = Sshd(topology.far, topology.directory(), (QUICK,))
    with contextlib.ExitStack() as stack:
        stack.callback(sshd.stop)
        lan.configure(capture, to_tunnel(server), sshd=sshd,
                      more=["link-wait = 1"])
        culvert = lan.start()
        with scripted.dial(server.address, server.port, side=lan.client,
                           kind=scripted.Control) as ftp:
            ftp.expect("220")
            log_in(ftp, server)
            os.kill(sshd.process.pid, signal.SIGTERM)
            until(lambda: not topology.far.listening(sshd.port),
                  "sshd does not listen")
            os.kill(culvert.ssh, signal.SIGKILL)
            ftp.expect("421")
        assert hear(lan, server, "421 The SSH connection is down") == ""


def run_unit(lan, key):
    """Run the commands of culvert-capture@lan.service, as systemd does."""
    text = (REPO / "dist/systemd/culvert-capture@.service").read_text()
    for line_ in re.sub(r"\\\n", "", text).splitlines():
        if line_.startswith(f"{key}="):
            words = shlex.split(line_.split("=", 1)[1].replace("$$", "$")
                                .replace("%i", "lan")
                                .replace("/usr/bin/culvert", PROGRAM)
                                .replace("/etc/culvert/culvert.conf",
                                         str(lan.path)))
            words[0] = words[0].removeprefix("-")
            lan.near.run(words)


@pytest.mark.parametrize("capture", CAPTURES)
def test_unit(lan, topology, capture, tmp):
    """The unit sets the rules and the route, sets them again, removes both."""
    def said():
        return lan.near.run(["sh", "-c", "nft list tables; ip rule; ip route "
                             "show table 2121"], text=True).stdout

    server = far_server(topology, "ipv4")
    lan.configure(capture, to_tunnel(server))
    run_unit(lan, "ExecStopPost")  # removes what the fixture has made
    before = said()
    for key in "ExecStartPre", "ExecStart", "ExecReload":
        run_unit(lan, key)
    assert "culvert-lan" in said() and "fwmark 0x2121" in said()
    lan.start(set_rules=False)
    place = server.mkdir(tmp.name)
    for mode in MODES:
        get(lan.target(server), mode, place, tmp)
    run_unit(lan, "ExecStop")
    run_unit(lan, "ExecStopPost")
    assert said() == before and "2121" not in before


def test_document(lan, topology):
    """The file of doc/topologies.md, with the sshd of the topology."""
    text = "\n".join(documents.SECTIONS[
        "J. Devices without any setting"].texts("ini"))
    lan.path.write_text(text.replace(
        "alice@gate.example.com",
        f"files.test\nF = {topology.sshd().config}"))
    lan.start()
    # Only port 21 is captured, and nobody listens there on the far host.
    with scripted.dial(topology.far_end.address("ipv4"), 21, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("421 ")


@pytest.mark.parametrize("capture", CAPTURES)
def test_killed(lan, topology, capture):
    """Without culvert nobody answers, and nothing is forwarded."""
    server = far_server(topology, "ipv4")
    lan.configure(capture, to_tunnel(server))
    culvert = lan.start()
    culvert.kill()
    with pytest.raises(OSError):
        lan.client.call(connect, server.address, server.port)
    assert not topology.capture.strays()


def connect(address, port):
    """Connect, with a time-out for a connection that is dropped."""
    with socket.create_connection((address, port), 2):
        pass


def test_leak_would_be_seen(lan, topology):
    """The harness: without the rules, near forwards to the link."""
    server = far_server(topology, "ipv4")
    with pytest.raises(OSError):
        lan.client.call(connect, server.address, server.port)
    assert any(f"> {server.address}.{server.port}:" in line
               for line in topology.capture.strays())


@pytest.mark.parametrize("capture", CAPTURES)
def test_not_captured(lan, topology, capture):
    """A client that connects to culvert itself is refused: no loops."""
    server = far_server(topology, "ipv4")
    lan.configure(capture, to_tunnel(server))
    lan.start()
    with scripted.dial(topology.near.address("ipv4"), PORT, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("421 Refused by culvert: this port is only for")


def test_reload(lan, topology, tmp):
    """Rules take effect at a reload; running sessions go on."""
    server = far_server(topology, "ipv4")
    refuse = [("no", ["action = refuse"])]
    lan.configure("redirect", to_tunnel(server))
    culvert = lan.start()
    with scripted.dial(server.address, server.port, side=lan.client,
                       kind=scripted.Control) as ftp:
        ftp.expect("220")
        lan.configure("redirect", refuse)
        os.kill(culvert.pid, signal.SIGHUP)
        culvert.wait_log("reloaded; 1 tunnel unchanged")
        assert hear(lan, server, "421 Refused by culvert: [rule no]") == ""
        log_in(ftp, server)


def test_sftp(lan, topology, tmp):
    """A rule puts the gateway of another tunnel in the server's place."""
    (tmp / "files").mkdir()
    logins = tmp / "logins"
    logins.touch(0o600)
    logins.write_text(line("joe", "secret"))
    address = topology.far_end.address("ipv4")
    lan.configure("redirect", [("files", [f"match-host = {address}",
                                          "action = sftp gate"])],
                  tunnels=[("gate", [f"L = sftp/2122:{tmp}/files",
                                     f"login-file = {logins}"])])
    lan.start()
    make_file(tmp / "files/big", 1 << 20)
    target = Target(address, 21, "joe", "secret", lan.client.argv,
                    lan.client.call)
    for mode in MODES:
        result = CLIENTS["curl"].get(target, mode, "big", tmp / "got")
        assert result.status == 0, result.output
        assert filecmp.cmp(tmp / "files/big", tmp / "got", False)


@pytest.mark.parametrize("capture", CAPTURES)
def test_user_of_process(lan, topology, capture, tmp):
    """With --user: the one capability that is kept is enough."""
    server = far_server(topology, "ipv4")
    # ssh reads its files as nobody.
    sshd = topology.sshd()
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/", f"{tmp}/"))
    for name in "known_hosts", "user_key":
        (tmp / name).write_bytes((pathlib.Path(sshd.dir) / name).read_bytes())
        (tmp / name).chmod(0o600)
        os.chown(tmp / name, NOBODY, -1)
    lan.configure(capture, to_tunnel(server),
                  sshd=types.SimpleNamespace(config=str(config)),
                  defaults=["user = nobody"])
    culvert = lan.start(open_to_all=True)
    place = server.mkdir(tmp.name)
    for mode in MODES:
        get(lan.target(server), mode, place, tmp)
    text = pathlib.Path(f"/proc/{culvert.pid}/status").read_text()
    kept = int(re.search(r"CapPrm:\s*(\w+)", text)[1], 16)
    assert kept == (1 << 13 if capture == "tproxy" else 0)  # CAP_NET_RAW
