"""-L socks/: FTP clients whose connections come through SOCKS.

The server is on port 21 of a host behind the SSH server; the capture on the
link (topology.py) sees nothing but SSH.
"""

import contextlib
import filecmp
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import socks
from clients import CLIENTS, make_file
from process import Process, until
from socks import NAME, PORTS, Ftp, Socks
from topology import MODES, Layout
from transfer import PART, kill, wait_size

HERE = pathlib.Path(__file__).parent
SIZE = 300_000

# Where the client is: on the host of culvert, or beside it.
LAYOUTS = {"joined": Layout("L", False, True), "four": Layout("L", True, True)}

# curl's own SOCKS; and whether the server has a name.
OWN = [(wrapper, "curl", mode, named)
       for mode in MODES for wrapper, named in [
           ("socks4", False), ("socks4a", False), ("socks4a", True),
           ("socks5", False), ("socks5h", False), ("socks5h", True)]]

# Clients that know nothing of SOCKS.  What is left out: ncftp demands that an
# active data connection comes from the server, which only BIND can say.  The
# programs that poll think that tsocks' server is 127.0.0.1, and connect there
# after EPSV.  With sockets that do not block, torsocks sometimes stops in the
# middle of the handshake (lftp: 1 of 100).
PROGRAMS = [(wrapper, client, mode, False)
            for mode in MODES
            for wrapper in ("proxychains", "torsocks", "tsocks4", "tsocks5",
                            "dante4", "dante5")
            for client in ("curl", "lftp", "tnftp", "inetutils-ftp", "ncftp",
                           "wget")
            if not (client == "ncftp" and mode == "active"
                    and not wrapper.startswith("dante"))
            and not (client in ("curl", "tnftp")
                     and wrapper.startswith("tsocks"))
            and not (client in ("curl", "lftp", "tnftp")
                     and wrapper == "torsocks")]


@pytest.fixture
def server(topology):
    """Return vsftpd, on port 21 of far_end."""
    return topology.start_server("vsftpd", "far_end", "ipv4", port=21)


@pytest.fixture
def start(topology):
    """Return a function that starts culvert with a SOCKS front."""
    def start(layout=LAYOUTS["joined"], *options, **how):
        at = layout.listen_address("ipv4")
        return topology.start_culvert(
            "L", [f"socks/{at}:0" if at else "socks/0"],
            how.pop("sshd", None) or topology.sshd(),
            options=["-v", "-v", *layout.allow(), *options], **how)
    return start


@pytest.fixture
def place(server, tmp):
    """Return a directory of the server with a file "big"."""
    path = server.mkdir(tmp.name)
    make_file(path / "big", SIZE)
    return path


@pytest.fixture
def ftp(topology, start, server):
    """Return a function that opens a session; it returns (culvert, Ftp)."""
    with contextlib.ExitStack() as stack:
        def open_one(version=5, tunnel=None, *options):
            tunnel = tunnel or start(LAYOUTS["joined"], *options)
            one = Socks(topology.near, "127.0.0.1", tunnel.port, version)
            return tunnel, stack.enter_context(
                contextlib.closing(Ftp(one, server)))
        yield open_one


def same(one, other):
    """Fail unless the files are the same."""
    assert filecmp.cmp(one, other, False)


# ---- real clients ----

@pytest.mark.parametrize("shape", LAYOUTS)
@pytest.mark.parametrize(
    "wrapper, client, mode, named",
    [pytest.param(*one, id="-".join(one[:3]) + ("-named" if one[3] else ""))
     for one in [*OWN, *PROGRAMS]])
def test_client(topology, start, server, place, tmp, shape, wrapper, client,
                mode, named):
    """A download, and an upload."""
    layout = LAYOUTS[shape]
    tunnel = start(layout)
    words = socks.WRAPPERS[wrapper](tmp, *tunnel.listeners[0])
    target = socks.through(words, topology.hosts[layout.client_role], server,
                           NAME if named else None)
    result = CLIENTS[client].get(target, mode, f"{tmp.name}/big", tmp / "got")
    assert result.status == 0, result.output
    same(place / "big", tmp / "got")
    if client != "wget":
        make_file(tmp / "new", SIZE)
        result = CLIENTS[client].put(target, mode, tmp / "new",
                                     f"{tmp.name}/new")
        assert result.status == 0, result.output
        same(tmp / "new", place / "new")
    if wrapper.startswith("dante") and mode == "active":
        assert "waits in BIND on port 61" in tunnel.output


# Python's ftplib with PySocks, whose sockets have no BIND.
PYSOCKS = """\
import ftplib, socket, sys
import socks
host, port, proxy, proxy_port, user, password, remote, local = sys.argv[1:]
socks.set_default_proxy(socks.SOCKS5, proxy, int(proxy_port), rdns=True)
socket.socket = socks.socksocket
socket.create_connection = lambda to, timeout=None, source_address=None: \\
    socks.create_connection(to, timeout, source_address,
                            socks.SOCKS5, proxy, int(proxy_port))
ftp = ftplib.FTP()
ftp.connect(host, int(port))
ftp.login(user, password)
with open(local, "wb") as file:
    ftp.retrbinary("RETR " + remote, file.write)
ftp.quit()
"""


@pytest.mark.parametrize("named", [False, True], ids=["address", "name"])
def test_pysocks(topology, start, server, place, tmp, named):
    """PySocks."""
    tunnel = start()
    topology.near.run([
        sys.executable, "-c", PYSOCKS, NAME if named else server.address, "21",
        *map(str, tunnel.listeners[0]), server.user, server.password,
        f"{tmp.name}/big", tmp / "got"], cwd="/")
    same(place / "big", tmp / "got")


def test_java(topology, start, server, place, tmp):
    """The FTP client of the JDK, sent through SOCKS by a system property."""
    tunnel = start()
    address, port = tunnel.listeners[0]
    topology.near.run([
        "java", f"-DsocksProxyHost={address}", f"-DsocksProxyPort={port}",
        HERE / "client_programs/Fetch.java",
        f"ftp://{server.user}:{server.password}@{server.address}/{tmp.name}"
        "/big;type=i", tmp / "got"])
    same(place / "big", tmp / "got")


@pytest.mark.parametrize("mode", MODES)
def test_killed(topology, start, server, place, tmp, mode):
    """A client that is killed in an upload: the log says so."""
    tunnel = start()
    words = socks.WRAPPERS["dante5"](tmp, *tunnel.listeners[0])
    active = ["--ftp-port", "-"] if mode == "active" else []
    client = Process(topology.near.argv(
        [*words, "curl", "-q", "-sS", *active, "-u",
         f"{server.user}:{server.password}", "-T", "-",
         f"ftp://{server.address}/{tmp.name}/part"]), stdin=subprocess.PIPE)
    client.popen.stdin.write(bytes(PART))
    client.popen.stdin.flush()
    wait_size(place / "part")
    kill(client.popen)
    client.popen.stdin.close()
    tunnel.wait_log(rf'upload STOR "part", {PART} bytes: TRUNCATED: .*answered'
                    " 226 and keeps the partial file")


# ---- the protocol ----

@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("mode", MODES)
def test_transfers(ftp, place, tmp, version, mode):
    """Several transfers of one session; what clients are told."""
    tunnel, one = ftp(version)
    new = os.urandom(SIZE)
    for name in "first", "second":
        with one.begin(f"RETR {tmp.name}/big", mode) as data, \
                data.makefile("rb") as file:
            assert file.read() == (place / "big").read_bytes()
        assert one.voidresp().startswith("226")
        with one.begin(f"STOR {tmp.name}/{name}", mode) as data:
            data.sendall(new)
        assert one.voidresp().startswith("226")
        assert (place / name).read_bytes() == new
    one.quit()


def test_passive_address(ftp, server):
    """PASV has the address that the client has named, and a port that is not
    open."""
    tunnel, one = ftp()
    host, port = one.passive()
    assert host == server.address and port in PORTS
    assert one.passive(extended=True)[1] in PORTS
    with open(f"/proc/{tunnel.pid}/net/tcp") as file:
        assert not re.search(rf":{port:04X} 00000000:0000 0A", file.read())


@pytest.mark.parametrize("mode", MODES)
def test_any_host(ftp, server, place, tmp, mode):
    """The host of the data connection does not matter, only the port."""
    tunnel, one = ftp()
    if mode == "passive":
        _, port = one.passive()
        data = one.socks.connect("anything.test", port)
        one.sendcmd(f"RETR {tmp.name}/big")
    else:
        data, port = one.active()
        one.sendcmd(f"PORT 10,9,8,7,{port >> 8},{port & 255}")
        one.sendcmd(f"RETR {tmp.name}/big")
        assert socks.reply5(data) == (0, server.address, 20)
    with data, data.makefile("rb") as file:
        assert len(file.read()) == SIZE
    one.voidresp()


def test_active_without_bind(topology, ftp, place, tmp):
    """A client that listens by itself is connected to."""
    tunnel, one = ftp()

    def listen():
        return one.makeport()
    with topology.near.call(listen) as listener:
        one.sendcmd(f"RETR {tmp.name}/big")
        data = listener.accept()[0]
        with data, data.makefile("rb") as file:
            assert len(file.read()) == SIZE
    one.voidresp()


def test_bind_without_address(ftp, server, place, tmp):
    """If BIND names no server, the second reply has culvert's address."""
    tunnel, one = ftp()
    data, (_, host, port) = one.socks.send(socks.BIND, "0.0.0.0", 0)
    assert host == "127.0.0.1" and port in PORTS
    one.sendport(host, port)
    one.sendcmd(f"RETR {tmp.name}/big")
    assert socks.reply5(data) == (0, "127.0.0.1", 20)
    data.close()


def test_ipv6_server(topology, start, place, tmp):
    """A server that is named by an IPv6 address; EPSV."""
    server = topology.start_server("pyftpdlib", "far_end", "ipv6", port=21)
    make_file(server.mkdir(tmp.name) / "big", SIZE)
    tunnel = start()
    words = socks.WRAPPERS["socks5"](tmp, *tunnel.listeners[0])
    target = socks.through(words, topology.near, server)
    result = CLIENTS["curl"].get(target, "passive", f"{tmp.name}/big",
                                 tmp / "got")
    assert result.status == 0, result.output
    assert (tmp / "got").stat().st_size == SIZE


def test_client_on_ipv6(topology, start, server, place, tmp):
    """A SOCKS client over IPv6."""
    tunnel = topology.start_culvert("L", ["socks/[::1]:0"], topology.sshd())
    one = Ftp(Socks(topology.near, "::1", tunnel.port), server)
    with contextlib.closing(one):
        for mode in MODES:
            if mode == "active":
                one.af = 2  # PORT, although the address is of IPv6
                one.sendport = lambda host, port: one.sendcmd(
                    f"EPRT |2|{host}|{port}|")
            with one.begin(f"RETR {tmp.name}/big", mode) as data, \
                    data.makefile("rb") as file:
                assert len(file.read()) == SIZE
            one.voidresp()


# ---- what is refused ----

def test_refused(topology, start, server):
    """Each refusal has its reply, and a line in the log."""
    tunnel = start()
    one = Socks(topology.near, "127.0.0.1", tunnel.port)
    far = topology.far.address("ipv4")
    for command, host, port, code in [
            (socks.CONNECT, server.address, 22, socks.NOT_ALLOWED),
            (socks.CONNECT, server.address, 61000, socks.NOT_ALLOWED),
            (socks.CONNECT, "127.0.0.1", tunnel.port, socks.NOT_ALLOWED),
            (socks.CONNECT, far, 21, socks.REFUSED),
            (socks.CONNECT, "no.such.host.test", 21, socks.HOST),
            (socks.CONNECT, "a b", 21, socks.ADDRESS),
            (socks.ASSOCIATE, server.address, 0, socks.COMMAND)]:
        assert one.code(command, host, port) == code, (host, port)
    tunnel.wait_log(r"refused a client from 127\.0\.0\.1:\d+: CONNECT to"
                    r" 203\.0\.113\.4 port 22: the port is neither 21 nor")
    tunnel.wait_log(rf"\[1\] the FTP server {far}:21 cannot be reached from"
                    " the SSH server")
    old = Socks(topology.near, "127.0.0.1", tunnel.port, 4)
    assert old.code(socks.CONNECT, far, 21) == socks.REJECTED4
    assert old.code(socks.CONNECT, server.address, 22) == socks.REJECTED4


def test_early_data(topology, start, server):
    """A client that does not wait for the reply would lose bytes."""
    tunnel = start()
    one = Socks(topology.near, "127.0.0.1", tunnel.port)
    with one.open() as sock:
        sock.sendall(b"\5\1\0" + socks.request5(1, server.address, 21)
                     + b"USER x\r\n")
        assert socks.receive(sock, 2) == b"\5\0"
        assert socks.reply5(sock)[0] == socks.FAILURE
    tunnel.wait_log("it has sent data before the reply")


@pytest.mark.parametrize("words", [b"USER tester\r\n", b"\5\1\2", b"\5\0"])
def test_no_socks(topology, start, words):
    """FTP, and what offers only passwords."""
    tunnel = start()
    with Socks(topology.near, "127.0.0.1", tunnel.port).open() as sock:
        sock.sendall(words)
        assert sock.makefile("rb").read() == (
            b"\5\xff" if words[0] == 5 else b"")
    tunnel.wait_log("refused a SOCKS client from 127")


def test_ports_of_others(topology, start, server):
    """A data connection of another client is refused; the right one is not."""
    layout = LAYOUTS["four"]
    tunnel = start(layout)
    at = tunnel.listeners[0]
    mine = Socks(topology.near_end, *at)
    other = Socks(topology.near, *at)
    with contextlib.closing(Ftp(mine, server)) as one:
        host, port = one.passive()
        assert other.code(socks.CONNECT, host, port) == socks.NOT_ALLOWED
        tunnel.wait_log("does not come from the address of the session's")
        one.putcmd("NLST")
        with mine.connect(host, port) as data:
            assert one.getresp()[0] == "1"
            # There is one connection to a port.
            assert mine.code(socks.CONNECT, host, port) == socks.REFUSED
            data.makefile("rb").read()
        one.voidresp()
        # A BIND of another client is not used.
        bound, (_, _, port) = other.send(socks.BIND, server.address, 0)
        with bound:
            one.sendport("192.0.2.2", port)
            assert one.sendcmd("NLST")[0] != "2"


def test_other_user(topology, start):
    """Over loopback, another user is refused."""
    tunnel = start()
    result = topology.near.run([
        "setpriv", "--reuid", "65534", "--clear-groups", sys.executable, "-c",
        "import socket, sys\n"
        f"s = socket.create_connection(('127.0.0.1', {tunnel.port}))\n"
        "s.sendall(bytes([4, 1, 0, 21, 203, 0, 113, 4, 0]))\n"
        "print(list(s.recv(8)))\n"
        f"s = socket.create_connection(('127.0.0.1', {tunnel.port}))\n"
        "s.sendall(bytes([4, 2, 0, 0, 203, 0, 113, 4, 0]))\n"
        "print(list(s.recv(8)))\n"], cwd="/", text=True)
    assert result.stdout == "[0, 91, 0, 0, 0, 0, 0, 0]\n" * 2
    tunnel.wait_log("refused a client from .* user id 65534")


def test_not_allowed_address(topology, start):
    """A host that no --allow contains is reset at once."""
    tunnel = topology.start_culvert(
        "L", ["socks/192.0.2.2:0"], topology.sshd(),
        options=["--allow", "192.0.2.99"])
    with pytest.raises(ConnectionResetError):
        with Socks(topology.near_end, *tunnel.listeners[0]).open() as sock:
            sock.recv(1)
    tunnel.wait_log("refused a SOCKS client from 192.0.2.1:.* no --allow")


def test_link_down(topology, start, server):
    """While the SSH connection is down, the reply says so."""
    sshd = topology.sshd("PidFile none")  # nobody else's
    tunnel = start(LAYOUTS["joined"], "--link-wait", "0", retry="forever",
                   sshd=sshd)
    one = Socks(topology.near, "127.0.0.1", tunnel.port)
    # The next one cannot log in.
    key = pathlib.Path(sshd.dir) / "user_key.pub"
    line = key.read_text()
    key.write_text("")
    os.kill(tunnel.ssh, signal.SIGKILL)
    tunnel.wait_log("retrying")
    assert one.code(socks.CONNECT, server.address, 21) == socks.NET
    tunnel.wait_log("refused a client from .*: the SSH connection is down")
    # A client that comes while it is down may wait for it, too.
    key.write_text(line)
    until(lambda: one.code(socks.CONNECT, server.address, 21)
          == socks.GRANTED, "it works again")


# ---- many ----

def test_many_handshakes(topology, start, server):
    """Clients that send nothing, and BIND without end: there is a maximum for
    each address, and the session goes on."""
    tunnel = start()
    one = Socks(topology.near, "127.0.0.1", tunnel.port)
    with contextlib.closing(Ftp(one, server)) as session, \
            contextlib.ExitStack() as stack:
        for number in range(256):
            sock = stack.enter_context(one.open())
            if number % 2 == 0:
                _, reply = one.send(socks.BIND, server.address, 0, sock)
                assert reply[0] == socks.GRANTED
            else:
                sock.sendall(b"\5\1")
        with pytest.raises(ConnectionResetError):
            with one.open() as sock:
                sock.recv(1)
        tunnel.wait_log("too many SOCKS clients")
        assert session.pwd() == "/"
        stack.close()
        until(lambda: one.code(socks.BIND, server.address, 0)
              == socks.GRANTED, "there is room again")


def test_thousand(topology, start, server):
    """A thousand connections, one after the other, leave nothing."""
    tunnel = start()
    one = Socks(topology.near, "127.0.0.1", tunnel.port)
    before = len(os.listdir(f"/proc/{tunnel.pid}/fd"))
    for number in range(1000):
        with one.open() as sock:
            sock.sendall(socks.request4(number % 3 + 1, server.address, 23))
            if number % 3 != 1:
                assert socks.reply4(sock)[0] == socks.REJECTED4
    until(lambda: len(os.listdir(f"/proc/{tunnel.pid}/fd")) <= before,
          "all are closed")
    with contextlib.closing(Ftp(one, server)) as session:
        assert session.pwd() == "/"
