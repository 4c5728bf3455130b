"""Unmodified clients in culvert exec, and what they transfer."""

import pytest

from clients import make_file
from exec_rig import EXEC_CANNOT, EXEC_CLIENTS, NAME, exec_cannot
from gateway_clients import commons_net, same  # noqa: F401

SIZE = 3 << 20

CELLS = [(client, mode) for client in EXEC_CLIENTS
         for mode in ("passive", "active")
         if not exec_cannot(client, mode)]


@pytest.fixture
def compiled(client, request):
    """Compile the program of a client that needs it."""
    if client == "commons-net":
        request.getfixturevalue("commons_net")


@pytest.fixture
def place(server21, tmp):
    """Return a directory of the server."""
    return server21().mkdir(tmp.name)


@pytest.mark.parametrize("client, mode", CELLS)
def test_transfers(client, mode, compiled, execute, server21, place, tmp):
    """A download, an upload and a listing, of a name that is far away."""
    to, one = execute.target(server21()), EXEC_CLIENTS[client]
    make_file(place / "there", SIZE)
    make_file(tmp / "here", SIZE)
    if not exec_cannot(client, "get"):
        result = one.get(to, mode, f"{tmp.name}/there", tmp / "got")
        assert result.status == 0, result.output
        same(place / "there", tmp / "got", result)
    if not exec_cannot(client, "put"):
        result = one.put(to, mode, tmp / "here", f"{tmp.name}/stored")
        assert result.status == 0, result.output
        same(place / "stored", tmp / "here", result)
    if not exec_cannot(client, "list"):
        result = one.list(to, mode, tmp.name)
        assert result.status == 0, result.output
        assert "there" in result.output, result.output


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("client, mode", [
    cell for cell in CELLS
    if cell[0] in ("curl", "lftp", "tnftp", "inetutils-ftp", "ftplib", "go",
                   "ncftp", "node", "perl", "php", "commons-net")])
def test_addresses(client, mode, family, compiled, execute, server21, place,
                   tmp):
    """The same with an address, which the far side can reach."""
    if exec_cannot(client, family):
        pytest.skip(EXEC_CANNOT[client, family])
    server = server21(family)
    place = server.mkdir(tmp.name) if family == "ipv6" else place
    make_file(place / "there", SIZE)
    result = EXEC_CLIENTS[client].get(
        execute.target(server, server.address), mode, f"{tmp.name}/there",
        tmp / "got")
    assert result.status == 0, result.output
    same(place / "there", tmp / "got", result)


@pytest.mark.parametrize("client", ["curl", "lftp", "tnftp"])
def test_abort(client, execute, server21, place, tmp):
    """Ctrl-C in a download ends the client, or it fetches another file."""
    with open(place / "huge", "wb") as file:
        file.truncate(64 << 30)
    make_file(place / "small", 4096)
    to, one = execute.target(server21()), EXEC_CLIENTS[client]
    small = (f"{tmp.name}/small", tmp / "small") if one.session else ()
    result = one.abort(to, "passive", f"{tmp.name}/huge", *small)
    assert (result.status == 0) == one.session, result.output
    if one.session:
        same(place / "small", tmp / "small", result)


SCRIPT = """\
curl -sS -T "$1" ftp://$2:$3@{name}/{place}/curl
lftp -e "put $1 -o {place}/lftp; quit" -u $2,$3 {name}
ncftpput -u $2 -p $3 -C {name} "$1" {place}/ncftp
printf "open {name}\\nuser $2 $3\\nput $1 {place}/tnftp\\nquit\\n" | tnftp -n
wget -nv -O "$1.got" ftp://$2:$3@{name}/{place}/curl
"""


def test_script(execute, topology, server21, place, tmp):
    """A script of five clients with a name that only the far side knows."""
    server = server21()
    with open(f"{execute.sshd.dir}/hosts", "a") as hosts:
        hosts.write(f"{server.address} {NAME}\n")
    make_file(tmp / "file", SIZE)
    script = tmp / "nightly.sh"
    script.write_text("set -eu\ncd " + str(execute.home) + "\n"
                      + SCRIPT.format(name=NAME, place=tmp.name))
    status, said = execute.run(
        "sh", script, tmp / "file", server.user, server.password,
        options=["--map", NAME, "--only"])
    assert status == 0, said
    for name in "curl", "lftp", "ncftp", "tnftp":
        assert (place / name).read_bytes() == (tmp / "file").read_bytes(), \
            (name, said)
    assert (tmp / "file.got").read_bytes() == (tmp / "file").read_bytes()
    topology.capture.check()
