"""Each SSH server as the far side of a local and of a remote tunnel.

PASV, EPSV, PORT and EPRT where the server can; downloads and uploads, of a file of 1 MiB and of an
empty one, which are compared; and a cut.
"""

import socket

import pytest

from openssh import RELEASES
from ssh_servers import SSH_SERVERS
from test_ssh_servers import end_badly
from topology import get, put
from transfer import MODES, PART, make_huge

KINDS = [*RELEASES, *(kind for kind in SSH_SERVERS if kind not in RELEASES)]
WAYS = {"local": "-L", "remote": "-R"}

kinds = pytest.mark.parametrize("kind", KINDS)
ways = pytest.mark.parametrize("way", WAYS)


def banner(sshd):
    """Return the version that a server gives itself."""
    with sshd.ns.inside(), \
            socket.create_connection((sshd.ns.far4, sshd.port)) as sock, \
            sock.makefile("rb") as lines:
        line = lines.readline().decode().strip()
    return line.removeprefix("SSH-2.0-").split(" ")[0].replace("_", " ")


def modes_of(kind, way):
    """Return the modes that are carried.

    Where remote forwards work on a named port only, no data connection can come
    to the SSH server.  In a local tunnel culvert translates.
    """
    if way == "remote" and not SSH_SERVERS[kind].remote_forwards:
        return ["active"]
    return MODES


@pytest.fixture
def start_cell(start_ssh_server, start_tunnel, ns, record_property):
    """Return a function that starts a server and a tunnel through it."""
    def start(kind, way, column):
        sshd = start_ssh_server(kind)
        name = banner(sshd)
        if kind not in name.lower() and kind not in RELEASES:
            name = f"{kind} ({name})"
        record_property("row", kind)
        record_property("server", name)
        record_property("column", column)
        how = {}
        if modes_of(kind, way) != MODES:
            record_property("text", "active mode only, on a named port")
            how["port"] = ns.free_port()
        return sshd, start_tunnel(sshd, way, **how)
    return start


@kinds
@ways
def test_transfers(kind, way, start_cell, tmp):
    """With PASV, EPSV, PORT and EPRT the files are whole."""
    _, tunnel = start_cell(kind, way, WAYS[way])
    for mode in modes_of(kind, way):
        for old in True, False:
            get(tunnel.target, mode, tunnel.place, tmp, old)
            put(tunnel.target, mode, tunnel.place, tmp, old)


@kinds
@ways
def test_cut(kind, way, start_cell):
    """The SSH server is killed in a download: nothing good is said."""
    sshd, tunnel = start_cell(kind, way, f"{WAYS[way]}, cut")
    make_huge(tunnel.place / "huge")
    with tunnel.ftp() as ftp:
        data = ftp.begin(modes_of(kind, way)[0],
                         f"RETR {tunnel.place.name}/huge")
        data.read(PART)
        sshd.kill()
        end_badly(way, ftp, data)
    tunnel.culvert.process.wait()
    tunnel.culvert.wait_log(r'download RETR ".*huge", \d+ bytes: cut: ')
