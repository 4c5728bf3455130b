"""A plain relay in culvert's place carries control and loses the data.

This is what shows that the far network of the tests is closed: if a data
connection could reach it by itself, the matrix would prove nothing.
"""

import ftplib
import socket

import pytest

import scripted
from clients import CLIENTS, Target, make_file
from process import FAILSAFE
from relay import SshRelay
from servers import KINDS
from transfer import modes


@modes
@pytest.mark.parametrize("kind", KINDS)
def test_data_connection_fails(kind, mode, server, sshd, tmp):
    """curl logs in through `ssh -L`, and no byte of the file arrives."""
    one = server(kind)
    make_file(one.mkdir(tmp.name) / "file", 4096)
    relay = SshRelay(sshd, one.address, one.port)
    try:
        with ftplib.FTP(timeout=FAILSAFE) as ftp:
            ftp.connect("127.0.0.1", relay.port)
            ftp.login(one.user, one.password)
            ftp.quit()
        result = CLIENTS["curl"].get(
            Target("127.0.0.1", relay.port, one.user, one.password),
            mode, f"{tmp.name}/file", tmp / "file")
    finally:
        relay.stop()
    assert result.status != 0, result.output
    assert not (tmp / "file").exists() or (tmp / "file").stat().st_size == 0


def test_nothing_but_ssh_gets_in(ns, sshd, server):
    """Each side reaches the other only at the SSH port."""
    for address in ns.far4, ns.far6:
        scripted.dial(address, sshd.port).close()
    with scripted.Listener(ns, ns.far4) as far, \
            scripted.Listener(address=ns.near4) as near:
        for side, to in (scripted.NEAR, far), (ns, near):
            sock = side.socket()
            sock.settimeout(0.5)  # what is dropped can only be waited for
            with sock, pytest.raises((socket.timeout, PermissionError)):
                sock.connect((to.address, to.port))
