"""Sessions and transfers of the gateway that outlive the SSH connection."""

import json
import os
import signal
import struct

import pytest

from gateways import Gateway, fetch, store
from process import descendants, kill_descendants
from sftp_servers import SFTP_SERVERS

KINDS = ["internal-sftp", "asyncssh", "mod_sftp"]
SIZE = 24 << 20


def blocks(size):
    """Return a file with a counter in every 8 bytes."""
    return b"".join(struct.pack(">Q", at) for at in range(size // 8))


CONTENT = blocks(SIZE)


@pytest.fixture(scope="module", params=KINDS)
def gateway(request, ns, directories):
    """Return a gateway to an SFTP server of each kind."""
    log = f"{directories()}/log"
    one = Gateway(SFTP_SERVERS[request.param](ns, directories()),
                  directories(), ["--transfer-log", log], retry=None)
    one.log = log
    yield one
    one.stop()


def kill_ssh(gateway):
    """Kill the ssh of a gateway."""
    os.kill(gateway.culvert.ssh, signal.SIGKILL)


def kill_sshd(gateway):
    """Kill what the SSH server has for its connections, if it has processes."""
    if not descendants(gateway.server.process.pid):
        pytest.skip("the server has one process")
    kill_descendants(gateway.server.process.pid, [])


LOSSES = {"ssh": kill_ssh, "sshd": kill_sshd}
losses = pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)


def lose_for_long(gateway, lose):
    """Lose the link; return when the sessions know it."""
    start = gateway.culvert.mark()
    lose(gateway)
    gateway.culvert.wait_log("waiting for the next SSH", start=start)
    return start


def test_idle(gateway):
    """A session waits; NOOP is answered meanwhile; then it goes on."""
    path, name = gateway.folder()
    (path / "file").write_bytes(b"content")
    with gateway.login() as ftp:
        ftp.cwd(name)
        for _ in range(3):
            start = lose_for_long(gateway, kill_ssh)
            assert ftp.voidcmd("NOOP").startswith("200")
            assert fetch(ftp, "RETR file") == b"content"
            gateway.culvert.wait_log("goes on after", start=start)
        assert ftp.pwd().endswith(name)


@losses
def test_download(lose, gateway):
    """It goes on in the same data connection, as often as it must."""
    path, name = gateway.folder()
    (path / "file").write_bytes(CONTENT)
    n = 0
    with gateway.login() as ftp:
        got = bytearray()
        with ftp.transfercmd(f"RETR {name}/file") as data:
            while part := data.recv(1 << 16):
                before = len(got)
                got += part
                if before >> 23 != len(got) >> 23:
                    lose_for_long(gateway, lose)
                    n += 1
        assert ftp.voidresp().startswith("226")
        assert got == CONTENT
        with open(gateway.log, encoding="ascii") as log:
            record = json.loads(log.readlines()[-1])
        assert record["outcome"] == "complete"
        assert 1 <= record["losses"] <= n
        assert record["lost_seconds"] >= 0
        assert ftp.voidcmd("NOOP").startswith("200")


def send(ftp, gateway, lose, command):
    """Upload the file with losses; return the reply."""
    with ftp.transfercmd(command) as data:
        for at in range(0, SIZE, SIZE // 4):
            data.sendall(CONTENT[at:at + SIZE // 4])
            lose_for_long(gateway, lose)
    return ftp.voidresp()


@losses
def test_upload(lose, gateway):
    """It goes on with the same temporary file."""
    path, name = gateway.folder()
    (path / "file").write_bytes(b"old")
    with gateway.login() as ftp:
        assert send(ftp, gateway, lose, f"STOR {name}/file").startswith("226")
        assert (path / "file").read_bytes() == CONTENT
        assert [one.name for one in path.iterdir()] == ["file"]


@losses
def test_append(lose, gateway):
    """In place, too."""
    path, name = gateway.folder()
    (path / "file").write_bytes(b"old")
    os.chown(path / "file", *gateway.server.owner)
    with gateway.login() as ftp:
        assert send(ftp, gateway, lose, f"APPE {name}/file").startswith("226")
        assert (path / "file").read_bytes() == b"old" + CONTENT
