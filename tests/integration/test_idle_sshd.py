"""sshd's own time-outs of OpenSSH 9.2: named where they are the likely cause."""

import pytest

from process import Timeout


def test_channel_timeout(session, start_sshd):
    """An idle control connection is closed: the log names the directive."""
    one = session(sshd=start_sshd("ChannelTimeout direct-tcpip=2s"))
    one.client.expect_end()
    one.culvert.wait_log(
        r"control connection to the server ended after \d+ s without traffic:"
        r".* ChannelTimeout in sshd_config; --keepalive")


def test_keepalive_and_channel_timeout(session, start_sshd):
    """What is advised helps."""
    one = session(sshd=start_sshd("ChannelTimeout direct-tcpip=3s"),
                  options=["--keepalive", "1"])
    for _ in range(5):
        one.server.expect_command("NOOP")
        one.server.reply("200 still here")
    one.client.command("SYST")
    one.server.expect_command("SYST")
    assert "ChannelTimeout" not in one.culvert.output


@pytest.mark.parametrize("reply", ["421 idle", None])
def test_server_that_ends(reply, session):
    """A server that says 421, or ends at once, is not sshd's doing."""
    one = session()
    if reply:
        one.server.reply(reply)
        one.client.expect("421")
    one.server.close()
    one.client.expect_end()
    assert "ChannelTimeout" not in one.culvert.output


@pytest.mark.parametrize("which", "LR")
def test_unused_connection_timeout(which, start_sshd, start_culvert, server):
    """It is named once; from then on a session keeps the connection."""
    to = f"127.0.0.1:{server('vsftpd').port}"
    sshd = start_sshd("UnusedConnectionTimeout 2s")
    tunnel = start_culvert(
        *([f"0:{to}"] if which == "L" else []), sshd=sshd, retry=None,
        remotes=[f"0:{to}"] if which == "R" else [], options=["-v"])
    tunnel.wait_log(r"SSH connection to \S+ was lost: .*unused for \d+ s: .*"
                    "UnusedConnectionTimeout in sshd_config")
    tunnel.wait_log("connected to .* again")
    mark = tunnel.mark()
    with pytest.raises(Timeout):  # sshd would have closed it by then
        tunnel.wait_log("was lost", 5, mark)
    assert tunnel.output.count("unused for") == 1
