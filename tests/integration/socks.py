"""SOCKS for tests: programs that send a client through it, and raw requests."""

import contextlib
import ftplib
import socket
import struct

from clients import Target
from process import FAILSAFE

CONNECT, BIND, ASSOCIATE = 1, 2, 3

# Replies of SOCKS 5 (RFC 1928 section 6), and of SOCKS 4.
GRANTED, FAILURE, NOT_ALLOWED, NET, HOST, REFUSED, COMMAND, ADDRESS = \
    0, 1, 2, 3, 4, 5, 7, 8
GRANTED4, REJECTED4 = 90, 91

PORTS = range(61000, 65536)  # that clients are told

# The name of the host far_end; only sshd knows it (sshd.py).
NAME = "ftp.plant.test"


# ---- real programs ----

def _environment(scheme):
    """curl's own SOCKS, by a variable."""
    def wrap(tmp, host, port):
        return ["env", f"ALL_PROXY={scheme}://{host}:{port}"]
    return wrap


def _file(text, *command):
    """A program that reads a file; {path} in the command is its path."""
    def wrap(tmp, host, port):
        path = tmp / "socks.conf"
        path.write_text(text.format(host=host, port=port))
        return [word.format(path=path) for word in command]
    return wrap


PROXYCHAINS = """\
strict_chain
proxy_dns
[ProxyList]
socks5 {host} {port}
"""

# Without the network it does not believe that it can reach the server.
TSOCKS = """\
local = 192.0.2.0/255.255.255.0
server = {host}
server_port = {port}
server_type = VERSION
"""

# Otherwise it lets programs listen on loopback only.
TORSOCKS = """\
TorAddress {host}
TorPort {port}
AllowInbound 1
"""

DANTE = """\
route {{
    from: 0.0.0.0/0 to: 0.0.0.0/0 via: {host} port = {port}
    proxyprotocol: socks_vVERSION
    method: none
    command: bind connect
}}
"""

# By name, what is put in front of a client.  Only dante uses BIND.
WRAPPERS = {
    "socks4": _environment("socks4"),
    "socks4a": _environment("socks4a"),
    "socks5": _environment("socks5"),
    "socks5h": _environment("socks5h"),
    "proxychains": _file(PROXYCHAINS, "proxychains4", "-q", "-f", "{path}"),
    "torsocks": _file(TORSOCKS, "env", "TORSOCKS_CONF_FILE={path}",
                      "torsocks"),
    **{f"tsocks{version}": _file(
        TSOCKS.replace("VERSION", version), "env", "TSOCKS_CONF_FILE={path}",
        "tsocks") for version in "45"},
    **{f"dante{version}": _file(
        DANTE.replace("VERSION", version), "env", "SOCKS_CONF={path}",
        "socksify") for version in "45"},
}


def through(words, host, server, name=None):
    """Return the server as Target of clients on a host, through SOCKS.

    words: what is put in front of the clients; name: how clients call the
    server, if not by its address.
    """
    return Target(name or server.address, server.port, server.user,
                  server.password, lambda argv: host.argv([*words, *argv]),
                  host.call)


# ---- raw requests ----

def _address(host):
    """Return an address or a name as SOCKS 5 has it."""
    for family, kind in (socket.AF_INET, 1), (socket.AF_INET6, 4):
        with contextlib.suppress(OSError):
            return bytes([kind]) + socket.inet_pton(family, host)
    return bytes([3, len(host)]) + host.encode()


def request5(command, host, port):
    """Return a request of SOCKS 5, without the greeting."""
    return (bytes([5, command, 0]) + _address(host) + struct.pack("!H", port))


def request4(command, host, port, user=b"alice"):
    """Return a request of SOCKS 4, or of 4A for a name."""
    try:
        ip, name = socket.inet_aton(host), b""
    except OSError:
        ip, name = b"\0\0\0\1", host.encode() + b"\0"
    return (bytes([4, command]) + struct.pack("!H", port) + ip + user + b"\0"
            + name)


def receive(sock, length):
    """Read so many bytes; fails at an earlier end."""
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        assert more, f"the connection ended after {data!r}"
        data += more
    return data


def reply5(sock):
    """Read a reply of SOCKS 5; returns (code, address, port)."""
    version, code, zero, kind = receive(sock, 4)
    assert (version, zero) == (5, 0) and kind in (1, 4)
    ip = receive(sock, 4 if kind == 1 else 16)
    family = socket.AF_INET if kind == 1 else socket.AF_INET6
    return (code, socket.inet_ntop(family, ip),
            struct.unpack("!H", receive(sock, 2))[0])


def reply4(sock):
    """Read a reply of SOCKS 4; returns (code, address, port)."""
    zero, code, port = struct.unpack("!BBH", receive(sock, 4))
    assert zero == 0
    return code, socket.inet_ntoa(receive(sock, 4)), port


class Socks:
    """A SOCKS server, at an address and a port that are reached from a host.

    version: that clients speak.
    """

    def __init__(self, host, address, port, version=5):
        self.host, self.at, self.version = host, (address, port), version

    def open(self):
        """Return a new connection, before the greeting."""
        def connect():
            return socket.create_connection(self.at, FAILSAFE)
        return self.host.call(connect)

    def send(self, command, host, port, sock=None):
        """Send a request; returns (socket, reply)."""
        sock = sock or self.open()
        if self.version == 4:
            sock.sendall(request4(command, host, port))
            return sock, reply4(sock)
        sock.sendall(b"\5\1\0")
        assert receive(sock, 2) == b"\5\0"
        sock.sendall(request5(command, host, port))
        return sock, reply5(sock)

    def code(self, command, host, port):
        """Send a request whose connection is then closed; returns the code."""
        sock, reply = self.send(command, host, port)
        with sock:
            return reply[0]

    def connect(self, host, port):
        """Return the connection after a CONNECT that succeeds."""
        sock, reply = self.send(CONNECT, host, port)
        assert reply[0] in (GRANTED, GRANTED4), reply
        return sock


class Ftp(ftplib.FTP):
    """ftplib through SOCKS, with BIND in active mode."""

    trust_server_pasv_ipv4_address = True

    def __init__(self, socks, server):
        self.socks = socks
        super().__init__(timeout=FAILSAFE)
        self.host, self.port = server.address, server.port
        self.sock = socks.connect(self.host, self.port)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        self.login(server.user, server.password)
        self.voidcmd("TYPE I")

    def passive(self, extended=False):
        """Request passive mode; returns (host, port)."""
        if extended:
            return self.host, ftplib.parse229(self.sendcmd("EPSV"),
                                              (self.host, 0))[1]
        return ftplib.parse227(self.sendcmd("PASV"))

    def active(self):
        """BIND and PORT; returns the connection and the port."""
        sock, (code, host, port) = self.socks.send(BIND, self.host, 0)
        assert code in (GRANTED, GRANTED4)
        self.sendport(host, port)
        return sock, port

    def begin(self, command, mode):
        """Begin a transfer; returns its data connection."""
        if mode == "active":
            sock, _ = self.active()
            assert self.sendcmd(command)[0] == "1"
            reply = reply4(sock) if self.socks.version == 4 else reply5(sock)
            assert reply[0] in (GRANTED, GRANTED4)
            assert reply[1:] == (self.host, 20)
            return sock
        sock = self.socks.connect(*self.passive())
        assert self.sendcmd(command)[0] == "1"
        return sock
