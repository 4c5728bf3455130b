"""Real clients of the SFTP gateway, in both modes, over both families."""

import os
import pathlib
import shutil
import tempfile

import pytest

from clients import CLIENTS, Target, make_file
from gateway_clients import (  # pylint: disable=unused-import
    ALL_CLIENTS, cannot, commons_net, folder, same, settled,
    target)
from servers import NOBODY, NOGROUP, need_program

# The big one is more than the window of an SSH channel of OpenSSH.
SIZES = {"empty": 0, "byte": 1, "big": 4 << 20}

CELLS = [
    pytest.param(client, mode, family, id=f"{client}-{mode}-{family}")
    for client in ALL_CLIENTS
    for mode in ("active", "passive") for family in ("ipv4", "ipv6")
    if not cannot(client, mode, family)]


@pytest.fixture(autouse=True)
def _exists(request, client):
    if client == "commons-net":
        request.getfixturevalue("commons_net")
    if client in ("rclone", "wput"):
        need_program(client)


@pytest.mark.parametrize("client, mode, family", CELLS)
def test_client(client, mode, family, target, folder, tmp):
    """A client stores, lists and fetches files, as far as it can."""
    to = target(family)
    if not cannot(client, "put"):
        check_put(ALL_CLIENTS[client], mode, to, folder, tmp)
    if not cannot(client, "list"):
        check_list(ALL_CLIENTS[client], mode, to, folder)
    if not cannot(client, "get"):
        check_get(ALL_CLIENTS[client], mode, to, folder, tmp)


def check_put(client, mode, to, folder, tmp):
    """Files pass up unchanged, and replace others; nothing else is left."""
    make_file(folder / "byte", 1000)
    for size in SIZES:
        make_file(tmp / size, SIZES[size])
        result = client.put(to, mode, tmp / size, size)
        assert result.status == 0, result.output
        same(folder / size, tmp / size, result)
        (tmp / size).unlink()
    assert {path.name for path in settled(folder).iterdir()} == {*SIZES}


def check_list(client, mode, to, folder):
    """A listing of a directory has its names, and their sizes."""
    directory = folder / "directory"
    directory.mkdir()
    for file, size in ("one", 12345), ("two", 23456):
        make_file(directory / file, size)
    result = client.list(to, mode, "directory")
    assert result.status == 0, result.output
    for text in "one", "12345", "two", "23456":
        assert text in result.output, result.output


def check_get(client, mode, to, folder, tmp):
    """Files pass down unchanged."""
    for size in SIZES:
        make_file(folder / size, SIZES[size])
        result = client.get(to, mode, size, tmp / size)
        assert result.status == 0, result.output
        same(folder / size, tmp / size, result)


@pytest.mark.parametrize("mode", ["active", "passive"])
@pytest.mark.parametrize("client", CLIENTS)
def test_abort(client, mode, target, folder, tmp):
    """An interrupted download; the session or the tunnel continues."""
    to = target()
    with open(folder / "huge", "wb") as file:
        os.truncate(file.fileno(), 64 << 30)  # sparse; it never ends
    make_file(folder / "small", 4096)
    if CLIENTS[client].session:
        result = CLIENTS[client].abort(to, mode, "huge", "small",
                                       tmp / "small")
        assert result.status == 0, result.output
        same(folder / "small", tmp / "small", result)
    else:
        result = CLIENTS[client].abort(to, mode, "huge")
        assert result.status != 0, result.output
    result = CLIENTS[client].get(to, mode, "small", tmp / "again")
    same(folder / "small", tmp / "again", result)


# ---- an SSH server that offers a directory by SFTP, and nothing else ----

# sshd requires that only root may write to the directory and to all above it,
# so it is not below /tmp.
JAIL = """\
AllowTcpForwarding no
DisableForwarding yes
PermitTTY no
PermitUserRC no
ForceCommand internal-sftp
ChrootDirectory {jail}
"""


@pytest.fixture
def jail():
    """Return a directory for ChrootDirectory; "incoming" is nobody's."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="cvt-", dir="/srv"))
    path.chmod(0o755)
    (path / "incoming").mkdir()
    os.chown(path / "incoming", NOBODY, NOGROUP)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("client, mode", [
    ("busybox", "passive"), ("inetutils-ftp", "active"), ("tnftp", "active"),
    ("tnftp", "passive"), ("curl", "active")])
def test_jail(client, mode, jail, start_sshd, start_culvert, tmp):
    """A scanner's client stores files where there is only SFTP, in a jail."""
    sshd = start_sshd(*JAIL.format(jail=jail).splitlines())
    tunnel = start_culvert("sftp/0:/incoming", sshd=sshd, options=["-v"],
                           host="nobody@files.test")
    to = Target(*tunnel.listeners[0], "scanner", "0000")
    for name in "scan.pdf", "scan2.pdf", "scan.pdf":
        make_file(tmp / name, 1_234_567)
        result = ALL_CLIENTS[client].put(to, mode, tmp / name, name)
        assert result.status == 0, result.output
        same(jail / "incoming" / name, tmp / name, result)
    assert {path.name for path in settled(
        jail / "incoming").iterdir()} == \
        {"scan.pdf", "scan2.pdf"}
    assert (jail / "incoming" / "scan.pdf").stat().st_uid == NOBODY
