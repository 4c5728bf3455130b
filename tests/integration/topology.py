"""Four hosts in a row; only SSH can pass the link in the middle.

    near_end ---- near ==== far ---- far_end
           near LAN   link     far LAN

Each host is a network namespace.  It has addresses of both families on each of
its networks, forwards no packets, and has no routes to other networks.
culvert runs on near, sshd on far.  The FTP client and the FTP server are on
near and far, or on the end hosts: see Layout.  With `-L` the client is on the
near side and the server on the far side, with `-R` the reverse.

A tcpdump on far's end of the link sees all packets before they are filtered.
Capture.check() fails if one of them is not SSH between the two hosts.
"""

import contextlib
import dataclasses
import filecmp
import os
import pathlib
import re
import socket

import netns
import servers
from clients import CLIENTS, Target, make_file
from culvert import Culvert, bracket
from process import Process, until
from sshd import QUICK, Sshd

FAMILIES = ["ipv4", "ipv6"]
MODES = ["active", "passive"]

# The files that each test transfers.
SIZES = {"big": 1 << 20, "empty": 0}

CURL = CLIENTS["curl"]

# The ports that the filter permits: for any sshd; and 22, for the sshd of
# doc/topologies.md.
SSHD_PORTS = range(2200, 2300)
SSH_PORT = 22

# The addresses in each network; they end with the number of the host.
NETWORKS = {
    "near": ("192.0.2.{}", "2001:db8:1::{}"),
    "link": ("198.51.100.{}", "2001:db8:2::{}"),
    "far": ("203.0.113.{}", "2001:db8:3::{}"),
}

# The hosts in their order, and their devices, which are named as the networks.
ROW = {
    "near_end": ["near"],
    "near": ["near", "link"],
    "far": ["link", "far"],
    "far_end": ["far"],
}

# Nothing is forwarded, and no host looks for a router.
QUIET = """\
cd /proc/sys/net
echo 0 >ipv4/ip_forward
echo 0 >ipv6/conf/all/forwarding
for name in default all; do
    echo 0 >ipv6/conf/$name/accept_ra
    echo 0 >ipv6/conf/$name/router_solicitations
    echo 0 >ipv6/conf/$name/accept_dad
done
"""

# Only incoming packets are filtered.  So tcpdump sees on the link what a host
# should not have sent.
RULES = """
table inet link {{
    chain in {{
        type filter hook input priority 0; policy accept;
        iifname != "link" accept
        tcp {direction} {{ {ssh}, {low}-{high} }} accept
        drop
    }}
    chain through {{
        type filter hook forward priority 0; policy drop;
    }}
}}
"""


def family_of(address):
    """Return AF_INET or AF_INET6, for an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def loopback(family):
    """Return the loopback address of a family."""
    return "::1" if family == "ipv6" else "127.0.0.1"


class Host(netns.Host):
    """One of the four hosts.

    role: its name; number: the last part of its addresses; networks: the names
    of its devices.
    """

    def __init__(self, role, number):
        self.role, self.number = role, number
        self.networks = ROW[role]
        self._sshd_ports = iter(SSHD_PORTS)
        super().__init__(f"culvert-{os.getpid()}-{role}")
        self.run(["sh", "-euc", QUIET])

    def address(self, family, network=None):
        """Return its address on a network, by default on its LAN."""
        network = network or next(
            one for one in self.networks if one != "link")
        return NETWORKS[network][family == "ipv6"].format(self.number)

    def mac(self, network):
        """Return its hardware address on a network."""
        return f"02:00:00:00:{list(NETWORKS).index(network):02x}" \
               f":{self.number:02x}"

    # What Sshd needs of a namespace.

    @property
    def far4(self):
        """The IPv4 address that sshd listens on."""
        return self.address("ipv4", "link")

    @property
    def far6(self):
        """The IPv6 address that sshd listens on."""
        return self.address("ipv6", "link")

    def let_in(self, port):
        """Fail unless the filter permits that port."""
        assert port in SSHD_PORTS

    def free_port(self, address="127.0.0.1"):
        """Return a free port; on the link one that the filter permits."""
        if address == self.address("ipv4", "link"):
            return next(self._sshd_ports)
        return super().free_port(address)


def _join(network, one, other):
    """Make a network of two hosts, with fixed entries for neighbours."""
    netns.ip("-n", one.name, "link", "add", "name", network, "address",
             one.mac(network), "type", "veth", "peer", "name", network,
             "address", other.mac(network), "netns", other.name)
    for host, peer in (one, other), (other, one):
        there = "-n", host.name
        netns.ip(*there, "link", "set", "dev", network, "addrgenmode", "none")
        for family, length in ("ipv4", 24), ("ipv6", 64):
            netns.ip(*there, "addr", "add",
                     f"{host.address(family, network)}/{length}",
                     "dev", network,
                     *(["nodad"] if family == "ipv6" else []))
        netns.ip(*there, "link", "set", "dev", network, "up")
        for family in FAMILIES:
            netns.ip(*there, "neigh", "replace",
                     peer.address(family, network), "lladdr",
                     peer.mac(network), "dev", network, "nud", "permanent")


class Capture:
    """A tcpdump on the link, which prints what is not SSH.

    strays() itself sends a packet, a fence, and waits until tcpdump has
    printed it.  So all packets before it have been printed too, and a tcpdump
    that sees nothing does not pass for a quiet link.
    """

    FENCE = 9  # the UDP port "discard"; the filter drops it

    def __init__(self, near, far):
        self.near, self.far, self._fences = near, far, 0
        ssh = " or ".join(
            f"(src host {src.address(family, 'link')}"
            f" and dst host {dst.address(family, 'link')}"
            f" and ({way} port {SSH_PORT} or {way}"
            f" portrange {SSHD_PORTS[0]}-{SSHD_PORTS[-1]}))"
            for family in FAMILIES
            for src, dst, way in ((near, far, "dst"), (far, near, "src")))
        # ARP, neighbour discovery, and multicast listener reports.
        discovery = ("arp or (icmp6 and (ip6[40] == 135 or ip6[40] == 136))"
                     " or dst host ff02::16")
        self._place = 0
        self.process = Process(far.argv(
            ["tcpdump", "-i", "link", "-Z", "root", "-l", "-n", "-t",
             "--immediate-mode",
             f"not ({discovery}) and not (tcp and ({ssh}))"]), "tcpdump")
        self.process.wait_line("^listening on link")
        self._place = self.process.mark()

    def strays(self):
        """Return the packets since the last call, as lines."""
        self._fences += 1
        size = self._fences  # distinguishes this fence from the others
        with self.near.call(socket.socket, socket.AF_INET,
                            socket.SOCK_DGRAM) as sock:
            # A fixed source port: tcpdump prints packets from some ports in
            # another way.
            sock.bind(("", self.FENCE))
            sock.sendto(b"." * size,
                        (self.far.address("ipv4", "link"), self.FENCE))
        fence = re.compile(rf"\.{self.FENCE}: UDP, length {size}$")
        self.process.wait_line(fence, start=self._place)
        lines = self.process.lines[self._place:]
        count = next(i for i, line in enumerate(lines) if fence.search(line))
        self._place += count + 1
        return lines[:count]

    def check(self):
        """Fail if there was a packet on the link that is not SSH."""
        packets = self.strays()
        assert not packets, \
            "packets on the link that are not SSH:\n" + "\n".join(packets)

    def stop(self):
        """Stop tcpdump."""
        self.process.stop()


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the client and the server are.

    direction is "L" or "R".  The client is on the host of culvert (-L) or of
    sshd (-R), or, if client_apart, on the end host next to it.  The server is
    on the host of sshd (-L) or of culvert (-R), or on the end host next to it.
    """

    direction: str
    client_apart: bool
    server_apart: bool

    @property
    def client_role(self):
        """The host of the client."""
        side = "near" if self.direction == "L" else "far"
        return f"{side}_end" if self.client_apart else side

    @property
    def gate_role(self):
        """The host that the client connects to."""
        return "near" if self.direction == "L" else "far"

    @property
    def server_role(self):
        """The host of the server."""
        side = "far" if self.direction == "L" else "near"
        return f"{side}_end" if self.server_apart else side

    def listen_address(self, family):
        """Return the address at which clients connect, for the forward.

        None: loopback, the default.
        """
        if self.client_apart:
            return NETWORKS[self.gate_role][family == "ipv6"].format(
                list(ROW).index(self.gate_role) + 1)
        return "::1" if family == "ipv6" else None

    def forward(self, family, server):
        """Return the value of -L or -R."""
        at = self.listen_address(family)
        return (f"{bracket(at)}:" if at else "") \
            + f"0:{bracket(server.address)}:{server.port}"

    def allow(self):
        """Return the options that permit the client."""
        if not self.client_apart:
            return []
        return [word for pattern, length in zip(
                    NETWORKS[self.gate_role], (24, 64))
                for word in ("--allow", f"{pattern.format(0)}/{length}")]


# How many hosts there are, and who shares one: (client_apart, server_apart).
SHAPES = {
    "four": (True, True),
    "client-joined": (False, True),
    "server-joined": (True, False),
    "two": (False, False),
}


class Topology:
    """The four hosts, the programs on them, and the capture on the link.

    sshd() and server() start a program when it is first needed, and keep it
    for other tests; start_server() and start_culvert() start one for the
    current test only.  A test runs between begin() and end().
    """

    def __init__(self, directories):
        self._directories = directories
        self._stack = contextlib.ExitStack()
        self.key_exchange = QUICK,  # lines for each sshd that is started
        self._sshds, self._servers = {}, {}
        self._own = None
        self.hosts = {}
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        for number, role in enumerate(ROW, 1):
            self.hosts[role] = self._stack.enter_context(
                contextlib.closing(Host(role, number)))
        near, far = self.hosts["near"], self.hosts["far"]
        _join("near", self.hosts["near_end"], near)
        _join("link", near, far)
        _join("far", far, self.hosts["far_end"])
        for host, direction in (near, "sport"), (far, "dport"):
            host.run(["nft", "-f", "-"], text=True, input=RULES.format(
                direction=direction, ssh=SSH_PORT, low=SSHD_PORTS[0],
                high=SSHD_PORTS[-1]))
        self.capture = Capture(near, far)
        self._stack.callback(self.capture.stop)

    def __getattr__(self, role):
        try:
            return self.__dict__["hosts"][role]
        except KeyError:
            raise AttributeError(role) from None

    def sshd(self, *options, key=""):
        """Return an sshd with these lines in sshd_config.

        key: options in front of the user's key in authorized_keys.
        """
        options += self.key_exchange
        if (options, key) not in self._sshds:
            one = Sshd(self.far, self._directories(), options)
            self._stack.callback(one.stop)
            if key:
                path = pathlib.Path(one.dir) / "user_key.pub"
                path.write_text(f"{key} {path.read_text()}")
            self._sshds[options, key] = one
        return self._sshds[options, key]

    def server(self, kind, role, family, without=(), address=None):
        """Return an FTP server on a host, by default at its LAN address."""
        host = self.hosts[role]
        address = address or host.address(family)
        what = kind, role, address, frozenset(without)
        if what not in self._servers:
            one = servers.Server(kind, host, self._directories(), address,
                                 without)
            self._stack.callback(one.stop)
            self._servers[what] = one
        return self._servers[what]

    def start_server(self, kind, role, family, **how):
        """Return an FTP server that only this test uses."""
        host = self.hosts[role]
        one = servers.Server(kind, host, self._directories(),
                             host.address(family), **how)
        self._own.callback(one.stop)
        return one

    def directory(self):
        """Return a new directory."""
        return self._directories()

    def note(self, culvert):
        """Show the log of a culvert if the test fails."""
        self._note(culvert, 0)

    def start_culvert(self, direction, forwards, sshd, **how):
        """Return a new culvert on near, which connects to that sshd.

        If it still runs at the end of the test, it is stopped with all checks.
        """
        which = "forwards" if direction == "L" else "remotes"
        one = Culvert(self._directories(), config=sshd.config, ns=self.near,
                      **{"forwards": (), which: forwards, **how})
        self._own.callback(one.kill)

        def stop():
            if one.alive():
                one.stop()
            one.check()

        self._own.callback(stop)
        self._note(one, 0)
        return one

    def begin(self, note):
        """Begin a test; note(culvert, mark) is called for each culvert."""
        self._own = contextlib.ExitStack()
        self._note = note

    def end(self):
        """End a test: stop its own programs, and check the capture."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.capture.check)
            stack.push(self._own)

    def target(self, layout, family, culvert, server):
        """Return the Target of the client of that layout."""
        host = self.hosts[layout.client_role]
        return Target(
            layout.listen_address(family) or loopback(family), culvert.port,
            server.user, server.password, host.argv, host.call)

    def close(self):
        """End and remove everything."""
        self._stack.close()


# ---- transfers with curl, in both directions ----

def curl(target, mode, old, *more):
    """Run curl; old: with PORT and PASV instead of EPRT and EPSV."""
    words = CURL._argv(target, mode, *more)
    if old:
        words[1:1] = ["--disable-eprt", "--disable-epsv"]
    result = CURL.run(target, words)
    assert result.status == 0, result.output


def get(target, mode, place, tmp, old=False):
    """Fetch a file of each size from the server's place, in one session."""
    more = []
    for name, size in SIZES.items():
        make_file(place / name, size)
        more += ["-o", tmp / f"got-{name}",
                 target.url(f"{place.name}/{name}")]
    curl(target, mode, old, *more)
    for name in SIZES:
        assert filecmp.cmp(place / name, tmp / f"got-{name}", False), name


def put(target, mode, place, tmp, old=False):
    """Store a file of each size there, in one session."""
    for name, size in SIZES.items():
        make_file(tmp / f"new-{name}", size)
    names = ",".join(str(tmp / f"new-{name}") for name in SIZES)
    curl(target, mode, old, "-T", f"{{{names}}}", target.url(f"{place.name}/"))
    for name in SIZES:
        assert filecmp.cmp(tmp / f"new-{name}", place / f"new-{name}",
                           False), name


def server_modes(culvert, mark, sessions):
    """Return the requests that the server got, one for each transfer.

    Waits until so many sessions have ended since the mark.  Then returns the
    last PORT, EPRT, PASV or EPSV before each RETR or STOR, from the log, which
    needs -v -v.
    """
    until(lambda: sum(line.endswith("] ended")
                      for line in culvert.process.lines[mark:]) >= sessions,
          f"{sessions} sessions have ended")
    modes, last = [], None
    for line in culvert.process.lines[mark:]:
        match = re.search(r"\] -> (PORT|EPRT|PASV|EPSV|RETR|STOR)\b", line)
        if match and match[1] in ("RETR", "STOR"):
            modes.append(last)
        elif match:
            last = match[1]
    return modes
