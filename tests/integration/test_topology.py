"""Every topology: who is where, which way, which mode and family.

Four real hosts in a row (topology.py); real servers with their default checks
of peers; culvert with its defaults and what the place of the client needs.
Each cell fetches and stores a file of 1 MiB and an empty one, and afterwards
the capture on the link has seen nothing but SSH.
"""

import re
import socket

import pytest

import scripted
from servers import KINDS
from topology import (FAMILIES, MODES, SHAPES, Layout, get, put,
                      server_modes)

# IPv6 on the one side of culvert and IPv4 on the other.
MIXED = [("ipv4", "ipv6"), ("ipv6", "ipv4")]


def layouts(direction, shapes=tuple(SHAPES)):
    """Return those layouts as parameters, with their names."""
    return [pytest.param(Layout(direction, *SHAPES[shape]),
                         id=f"{direction}-{shape}") for shape in shapes]


def check_cell(topology, layout, kind, family, tmp, *,
               modes=MODES, server_family=None, far_address=False):
    """Carry the files of one cell, and look at what the server was asked."""
    server_family = server_family or family
    server = topology.server(kind, layout.server_role, server_family)
    remote_beyond = layout.direction == "R" and layout.client_apart
    sshd = topology.sshd(*(["GatewayPorts clientspecified"]
                           if far_address or remote_beyond else []))
    options = ["-v", "-v", *layout.allow()]
    if far_address:
        options += ["--far-address", topology.far.address(server_family)]
    tunnel = topology.start_culvert(
        layout.direction, [layout.forward(family, server)], sshd,
        host=sshd.host6 if family == "ipv6" else sshd.host, options=options)
    target = topology.target(layout, family, tunnel, server)
    for mode in modes:
        place = server.mkdir(f"{tmp.name}-{mode}")
        mark = tunnel.mark()
        get(target, mode, place, tmp)
        # RFC 2428's commands were tried by now; on IPv4 there are older ones.
        put(target, mode, place, tmp, old=family == "ipv4")
        # The FTP server can connect to culvert only with -R, where both are on
        # the same side, or with an address of the SSH server's host.
        comes = layout.direction == "R" or far_address
        words = ("PORT", "EPRT") if mode == "active" and comes \
            else ("PASV", "EPSV")
        asked = server_modes(tunnel, mark, 2)
        assert len(asked) == 4 and set(asked) <= set(words), asked


@pytest.mark.parametrize("layout", layouts("L") + layouts("R"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_cell(topology, layout, kind, family, tmp):
    """Download and upload, one family throughout, default settings."""
    check_cell(topology, layout, kind, family, tmp)


@pytest.mark.parametrize("layout", layouts("L"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_far_address(topology, layout, kind, family, tmp):
    """--far-address: the server really connects to the SSH server's host."""
    check_cell(topology, layout, kind, family, tmp, modes=["active"],
               far_address=True)


@pytest.mark.parametrize("layout", layouts("L", ["four", "two"])
                         + layouts("R", ["four"]))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family, server_family", MIXED, ids=["4-6", "6-4"])
def test_mixed(topology, layout, kind, family, server_family, tmp):
    """An IPv6 client with an IPv4 server, and the reverse (RFC 6384)."""
    check_cell(topology, layout, kind, family, tmp,
               server_family=server_family)


@pytest.mark.parametrize("kind", KINDS)
def test_translated_once(topology, kind, tmp):
    """Default settings, active, no way back: tried and logged only once."""
    layout = Layout("L", True, True)
    server = topology.server(kind, layout.server_role, "ipv4")
    tunnel = topology.start_culvert(
        "L", [layout.forward("ipv4", server)], topology.sshd(),
        options=["-v", "-v", *layout.allow()])
    target = topology.target(layout, "ipv4", tunnel, server)
    place = server.mkdir(tmp.name)
    get(target, "active", place, tmp, old=True)
    server_modes(tunnel, 0, 1)
    mark = tunnel.mark()
    get(target, "active", place, tmp, old=True)
    assert set(server_modes(tunnel, mark, 1)) == {"EPSV"}
    again = [line for line in tunnel.process.lines[mark:]
             if re.search(r"-> (PORT|EPRT)|passive", line)]
    assert not again, again


# ---- the harness itself ----

def test_harness_nobody_else_is_near(topology):
    """No host can reach one that is not its neighbour."""
    roles = ["near_end", "near", "far", "far_end"]
    for one in roles:
        for other in roles:
            for family in FAMILIES:
                host = topology.hosts[other]
                for network in host.networks:
                    if network in topology.hosts[one].networks:
                        continue
                    with pytest.raises(OSError):
                        scripted.dial(host.address(family, network), 21,
                                      side=topology.hosts[one])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["near-far", "far-near"])
@pytest.mark.parametrize("what", ["tcp", "udp"])
def test_harness_stray(topology, family, way, what):
    """A packet on the link that is not SSH's is noticed in either direction,
    and does not arrive.
    """
    source, target = (topology.hosts[role] for role in way.split("-"))
    to = target.address(family, "link"), 21
    kind = socket.SOCK_STREAM if what == "tcp" else socket.SOCK_DGRAM
    with source.call(socket.socket, socket.AF_INET6 if family == "ipv6"
                     else socket.AF_INET, kind) as sock:
        sock.setblocking(False)
        if what == "udp":
            sock.sendto(b"stray", to)
        else:
            with pytest.raises(BlockingIOError):
                sock.connect(to)
        with pytest.raises(AssertionError, match=r"not SSH:\n.*\.21: "):
            topology.capture.check()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_harness_direct(topology, kind, family, tmp):
    """A client on the server's own network needs no culvert."""
    server = topology.server(kind, "far_end", family)
    layout = Layout("R", False, False)
    place = server.mkdir(tmp.name)
    target = topology.target(layout, family, server, server)
    target.host = server.address
    for mode in MODES:
        get(target, mode, place, tmp)
        put(target, mode, place, tmp, old=family == "ipv4")
