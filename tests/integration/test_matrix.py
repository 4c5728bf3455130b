"""Real clients and real servers, in both modes, over both families.

The listing of what a pair cannot do even without culvert is below and in
clients.CANNOT; DIRECT=1 (conftest.py) is how it was found.
"""

import filecmp
import os

import pytest

from clients import CANNOT, CLIENTS, make_file
from servers import KINDS

# The big one is more than the window of an SSH channel of OpenSSH.
SIZES = {"empty": 0, "byte": 1, "big": 4 << 20}

# (server, client, what): the reason.
CANNOT_PAIR = {
    **{(kind, "lftp", "active-ipv6"):
       "on a loopback interface lftp 4.9.2 sends EPRT with the address ::,"
       " which only vsftpd takes"
       for kind in ("proftpd", "pure-ftpd", "pyftpdlib")},
    **{(kind, "lftp", "go on after an abort"):
       "426 and 226 at once are one reply too many for lftp 4.9.2, which"
       " then waits: \"server bug: 426 reply missed\""
       for kind in ("pure-ftpd", "pyftpdlib")},
}

CELLS = [
    pytest.param(kind, client, mode, family,
                 id=f"{kind}-{client}-{mode}-{family}")
    for kind in KINDS for client in CLIENTS
    for mode in ("active", "passive") for family in ("ipv4", "ipv6")
    if (client, family) not in CANNOT
]

cells = pytest.mark.parametrize("kind, client, mode, family", CELLS)


def cannot(kind, client, what):
    """Return why the pair cannot do that, or None."""
    return CANNOT.get((client, what)) or CANNOT_PAIR.get((kind, client, what))


@pytest.fixture(autouse=True)
def _can(request, kind, client, mode, family):
    """Skip the test, with the reason, if the pair cannot do it at all."""
    action = request.function.__name__.removeprefix("test_")
    for what in action, f"{mode}-{family}":
        reason = cannot(kind, client, what)
        if reason:
            pytest.skip(reason)


def same(one, other, result):
    """Fail, with what the client said, unless the files are equal."""
    assert one.exists() and other.exists(), result.output
    assert filecmp.cmp(one, other, False), result.output


@pytest.fixture
def place(server, kind, family, tmp):
    """Return a directory of the server, ours alone: (path, its name)."""
    name = tmp.name
    path = server(kind, "::1" if family == "ipv6" else "127.0.0.1").mkdir(name)
    return path, name


@cells
def test_get(kind, client, mode, family, target, place, tmp):
    """A download of 0 bytes, of 1 and of 4 MiB."""
    path, name = place
    to = target(kind, family)
    for size in SIZES:
        make_file(path / size, SIZES[size])
        result = CLIENTS[client].get(to, mode, f"{name}/{size}", tmp / size)
        assert result.status == 0, result.output
        same(path / size, tmp / size, result)


@cells
def test_put(kind, client, mode, family, target, place, tmp):
    """An upload of 0 bytes, of 1 and of 4 MiB."""
    path, name = place
    to = target(kind, family)
    for size in SIZES:
        make_file(tmp / size, SIZES[size])
        result = CLIENTS[client].put(to, mode, tmp / size, f"{name}/{size}")
        assert result.status == 0, result.output
        same(path / size, tmp / size, result)


@cells
def test_list(kind, client, mode, family, target, place):
    """A listing of a directory."""
    path, name = place
    for file in "one", "two":
        make_file(path / file, 1)
    result = CLIENTS[client].list(target(kind, family), mode, name)
    assert result.status == 0, result.output
    assert "one" in result.output and "two" in result.output, result.output


@cells
def test_abort(kind, client, mode, family, target, place, tmp):
    """An interrupted download; the session or the tunnel continues."""
    path, name = place
    to = target(kind, family)
    with open(path / "huge", "wb") as file:
        os.truncate(file.fileno(), 64 << 30)  # sparse; it never ends
    make_file(path / "small", 4096)
    if not CLIENTS[client].session:
        result = CLIENTS[client].abort(to, mode, f"{name}/huge")
        assert result.status != 0, result.output
    elif cannot(kind, client, "go on after an abort"):
        result = CLIENTS[client].abort(to, mode, f"{name}/huge")
    else:
        result = CLIENTS[client].abort(
            to, mode, f"{name}/huge", f"{name}/small", tmp / "small")
        assert result.status == 0, result.output
        same(path / "small", tmp / "small", result)
    result = CLIENTS[client].get(to, mode, f"{name}/small", tmp / "again")
    same(path / "small", tmp / "again", result)
