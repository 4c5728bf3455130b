"""The link dies, or stands still, while something of it is half-way."""

import os
import signal

import pytest

import scripted
from process import descendants, kill_descendants, until
from transfer import modes


@pytest.mark.parametrize("who", ["ssh", "sshd"])
def test_lost_with_unused_ports(who, session, sshd):
    """Unused far listeners of several sessions."""
    before = descendants(sshd.process.pid)
    one = session()
    with scripted.Listener() as listener:
        more = [one.open() for _ in range(3)]
        for client, server in [(one.client, one.server), *more]:
            client.command(f"PORT {listener.port_argument()}")
            if (client, server) in more:
                server.reply("220 hello")
                client.expect("220")
            server.read_command("PORT")
            server.reply("200 noted")
            client.expect("200")
        if who == "ssh":
            one.kill_ssh()
        else:
            kill_descendants(sshd.process.pid, before)
        one.expect_lost()
    for client, server in more:
        client.close()
        server.close()


def test_lost_while_an_end_is_checked(session):
    """The link is lost while culvert checks whether an end was clean."""
    one = session()
    near, far = one.data("active", "STOR file")
    ssh = one.culvert.ssh
    with near, far:
        near.send_to(far, b"a part")
        os.kill(ssh, signal.SIGSTOP)
        near.send(b"for sshd, which then sees that nobody takes it")
        near.wait_taken()
        os.kill(one.culvert.pid, signal.SIGSTOP)
        sockets = len(os.listdir(f"/proc/{ssh}/fd"))
        far.reset()
        os.kill(ssh, signal.SIGCONT)
        until(lambda: len(os.listdir(f"/proc/{ssh}/fd")) < sockets,
              "ssh closes the far end")
        os.kill(ssh, signal.SIGSTOP)
        near.send(b"more")
        os.kill(one.culvert.pid, signal.SIGCONT)
        near.expect_reset()
        os.kill(ssh, signal.SIGKILL)
        one.expect_lost()


@modes
def test_outage_behind_the_226(mode, session):
    """The link stands still after the 226, before the data: no 2xx."""
    one = session()
    near, far = one.data(mode, "RETR file")
    far.send_to(near, b"the first half")
    one.server.reply("226 done")
    reply = one.client.read_reply()
    assert not reply.startswith("2"), reply
    near.expect_reset()
