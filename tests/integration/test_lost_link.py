"""The link dies, or stands still, while something of it is half-way."""

import os
import signal

import pytest

import scripted
from process import descendants, kill_descendants, until
from transfer import modes, no_success, replies_to_end


@pytest.mark.parametrize("who", ["ssh", "sshd"])
def test_lost_with_unused_ports(who, session, sshd):
    """Far listeners that nobody has used, of several sessions."""
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
            os.kill(one.culvert.ssh, signal.SIGKILL)
        else:
            kill_descendants(sshd.process.pid, before)
        no_success(replies_to_end(one.client))
    assert one.culvert.process.wait() == 1
    for client, server in more:
        client.close()
        server.close()


def test_lost_while_asked_about_an_end_that_is_a_loss(session):
    """The far end goes while ssh is asked whether its end was clean."""
    one = session()
    near, far = one.data("active", "STOR file")
    ssh = one.culvert.ssh
    with near, far:
        near.send(b"a part")
        far.expect_bytes(b"a part")
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
        no_success(replies_to_end(one.client))
    assert one.culvert.process.wait() == 1


@modes
def test_outage_behind_the_226(mode, session):
    """The link stands still with the 226 through, and data not: no 2xx."""
    one = session()
    near, far = one.data(mode, "RETR file")
    with near, far:
        far.send(b"the first half")
        near.expect_bytes(b"the first half")
        one.server.reply("226 done")
        reply = one.client.read_reply()
        assert not reply.startswith("2"), reply
        near.expect_reset()
