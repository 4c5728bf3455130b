"""The link dies while something of it is half-way."""

import os
import signal

import scripted
from transfer import no_success, replies_to_end


def test_link_lost_with_an_unused_port(session):
    """A far listener that nobody has used, when the link is lost."""
    one = session()
    with scripted.Listener() as listener:
        one.client.command(f"PORT {listener.port_argument()}")
        one.server.read_command("PORT")
        one.server.reply("200 noted")
        one.client.expect("200")
        os.kill(one.culvert.ssh, signal.SIGKILL)
        no_success(replies_to_end(one.client))
    assert one.culvert.process.wait() == 1


def test_sshd_lost_with_an_unused_port(session, start_sshd):
    """The same, when it is sshd that is killed."""
    sshd = start_sshd()
    one = session(sshd=sshd)
    with scripted.Listener() as listener:
        one.client.command(f"PORT {listener.port_argument()}")
        one.server.read_command("PORT")
        one.server.reply("200 noted")
        one.client.expect("200")
        for pid in sshd.connections():
            os.kill(pid, signal.SIGKILL)
        no_success(replies_to_end(one.client))
    assert one.culvert.process.wait() == 1
