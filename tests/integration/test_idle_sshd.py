"""sshd's own time-outs of OpenSSH 9.2: named where they are the likely cause."""

import contextlib
import time

import pytest

import scripted
from process import Timeout
from transfer import MODES


def test_channel_timeout(start_sshd, session):
    """An idle control connection is closed: the log names the directive."""
    one = session(sshd=start_sshd("ChannelTimeout direct-tcpip=2s"))
    one.client.expect_end()
    one.culvert.wait_log(
        r"control connection to the server ended after \d+ s without traffic:"
        r".* ChannelTimeout in sshd_config; --keepalive")


def test_keepalive_and_channel_timeout(start_sshd, session):
    """The suggested option helps."""
    one = session(sshd=start_sshd("ChannelTimeout direct-tcpip=3s"),
                  options=["--keepalive", "1"])
    for _ in range(5):
        one.server.expect_command("NOOP")
        one.server.reply("200 still here")
    one.command("SYST")
    assert "ChannelTimeout" not in one.culvert.output


@pytest.mark.parametrize("reply", ["421 idle", None])
def test_server_that_ends(reply, session):
    """A 421 or an end by the server is not attributed to sshd."""
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


def start_unused(start_sshd, start_culvert, *config, options=()):
    """Return a tunnel that nobody uses, of an sshd with these directives."""
    sshd = start_sshd("UnusedConnectionTimeout 2s", *config)
    return start_culvert("0:127.0.0.1:21", sshd=sshd, retry=None,
                         options=["-v", *options])


def test_unused_and_channel_timeout(start_sshd, start_culvert):
    """ChannelTimeout closes the session: it is named, and the session opened
    again. So the connection is lost once, and then never again.
    """
    tunnel = start_unused(start_sshd, start_culvert, "ChannelTimeout *=1s")
    tunnel.wait_log("connected to .* again")
    tunnel.wait_log(r"closed the session .* after \d+ s without traffic "
                    r"\(ChannelTimeout in sshd_config\); culvert opens it again")
    mark = tunnel.mark()
    with pytest.raises(Timeout):
        tunnel.wait_log("was lost", 6, mark)
    assert tunnel.output.count("was lost") == 1
    warned = [line for line in tunnel.output.splitlines()
              if "(ChannelTimeout" in line]
    assert len(warned) >= 2, tunnel.output  # -v: each time


def test_unused_without_session(start_sshd, start_culvert):
    """--no-session: the log says once that the session would help."""
    tunnel = start_unused(start_sshd, start_culvert, options=["--no-session"])
    tunnel.wait_log("a session would keep .* --no-session forbids it; .*"
                    "--on-demand, .*UnusedConnectionTimeout none")
    tunnel.wait_log("was lost: .*UnusedConnectionTimeout", 20, tunnel.mark())
    assert tunnel.output.count("a session would keep") == 1


@pytest.mark.parametrize("config, why", [
    ("ForceCommand /bin/false", "the program of the session has ended"),
    ("MaxSessions 0", "sshd refused a session .*MaxSessions"),
])
def test_unused_and_no_session_stays(config, why, start_sshd, start_culvert):
    """A session that does not stay open: why, and what else would help."""
    tunnel = start_unused(start_sshd, start_culvert, config)
    tunnel.wait_log(r"session that should keep .* open has ended "
                    rf"\({why}.*\); use --on-demand, .*"
                    "UnusedConnectionTimeout none", 30)
    tunnel.wait_log("was lost", 20, tunnel.mark())
    assert tunnel.output.count("should keep") == 1


HINT = r"the data connection to the server was closed after \d+ s without " \
    "traffic: .* ChannelTimeout in sshd_config; .*{}=0"

DATA = {"passive": "direct-tcpip", "active": "forwarded-tcpip"}


def wait_hint(one, hint):
    """Wait for the hint; the control connection stays in use meanwhile."""
    for _ in range(20):
        try:
            return one.culvert.wait_log(hint, 0.5)
        except Timeout:
            one.command("NOOP")
    return one.culvert.wait_log(hint, 0.5)


def closed_data(session, start_sshd, mode, command):
    """A transfer that stands still until sshd closes its channel."""
    one = session(sshd=start_sshd(f"ChannelTimeout {DATA[mode]}=2s"))
    near, far = one.data(mode, command)
    (near if command.startswith("STOR") else far).send(b"x" * 1000)
    if command.startswith("STOR"):
        far.expect_bytes(b"x" * 1000)
    else:
        near.expect_bytes(b"x" * 1000)
    wait_hint(one, HINT.format(DATA[mode]))
    return one, near, far


@pytest.mark.parametrize("mode", MODES)
def test_idle_download(mode, start_sshd, session):
    """Its channel is closed: a hint in the log, and a failure reply."""
    one, near, far = closed_data(session, start_sshd, mode, "RETR part")
    with near, far:
        one.server.reply("426 Failure writing network stream.")
        assert any(text.startswith("426") for text in replies(one))


@pytest.mark.parametrize("mode", MODES)
def test_idle_upload(mode, start_sshd, session):
    """The server takes it for complete, the client must not."""
    one, near, far = closed_data(session, start_sshd, mode, "STOR part")
    with near, far:
        far.expect_end()
        one.server.reply("226 Transfer complete.")
        found = replies(one)
        assert found and not any(text.startswith("226") for text in found)


def replies(one):
    """Return the replies up to the one to the transfer."""
    found = []
    while not found or not found[-1].startswith(("226", "4", "5")):
        found.append(one.client.read_reply())
        assert found[-1], found
    return found


def test_hint_once_for_each_connection(start_sshd, session):
    """The second idle data connection logs nothing more."""
    one, near, far = closed_data(session, start_sshd, "active", "RETR part")
    with near, far:
        one.server.reply("426 Failure writing network stream.")
        replies(one)
    again = one.open()
    with contextlib.closing(again[0]), contextlib.closing(again[1]):
        pass
    assert one.culvert.output.count("closed after") == 1


@pytest.mark.parametrize("mode", MODES)
def test_slow_server_is_no_hint(mode, session):
    """A server that ends after a while was not closed by sshd."""
    one = session(options=["-v"])
    near, far = one.data(mode, "RETR part")
    far.send(b"x" * 1000)
    near.expect_bytes(b"x" * 1000)
    with pytest.raises(Timeout):
        one.culvert.wait_log("ChannelTimeout", 1.5)
    far.close()
    one.server.reply("226 Transfer complete.")
    near.expect_end()
    near.close()
    one.client.expect("226")
    assert "ChannelTimeout" not in one.culvert.output


@pytest.mark.parametrize("known", [True, False], ids=["size", "no size"])
@pytest.mark.parametrize("mode", MODES)
def test_slow_client_is_cut(mode, known, start_sshd, session):
    """sshd drops bytes for a client that reads nothing for a while.

    The server has written the whole file and says 226; the client, whose
    data end before that, must not get it.
    """
    kind = "direct" if mode == "passive" else "forwarded"
    one = session(sshd=start_sshd(f"ChannelTimeout {kind}-tcpip=2s"))
    size = 5_000_000
    near, far = one.data(mode, "RETR part", rcvbuf=1 << 16,
        first=f"150 here it comes ({size} bytes)" if known else "150 it comes")
    with near, far:
        far.send(bytes(size))
        far.close()
        one.server.reply("226 Transfer complete.")
        for _ in range(9):  # control is not idle, which sshd would close, too
            time.sleep(0.5)
            one.command("NOOP")
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while more := len(near.sock.recv(1 << 20)):
                got += more
        assert got < size
        one.client.expect("426")


def test_slow_server_is_cut(ns, start_sshd, start_culvert):
    """-R: the same of an upload whose server reads nothing for a while."""
    sshd = start_sshd("ChannelTimeout forwarded-tcpip=2s")
    with scripted.Listener(kind=scripted.Control) as listener:
        tunnel = start_culvert(remotes=[f"0:127.0.0.1:{listener.port}"],
                               sshd=sshd, options=["-v"])
        with scripted.client(*tunnel.listeners[0], side=ns) as client, \
                listener.accept() as server, \
                scripted.Listener(rcvbuf=1 << 16) as data:
            server.reply("220 hello")
            client.expect("220")
            client.command("PASV")
            server.expect_command("PASV")
            server.reply(f"227 ({data.port_argument()}).")
            far = scripted.dial(*scripted.parse_port(client.expect("227")),
                                side=ns)
            client.command("STOR part")
            server.expect_command("STOR part")
            near = data.accept()
            server.reply("150 go on")
            client.expect("150")
            with far, near:
                scripted.start(lambda: (far.send(bytes(5_000_000)),
                                        far.half_close()))
                for _ in range(9):
                    time.sleep(0.5)
                    client.command("NOOP")
                    server.expect_command("NOOP")
                scripted.start(lambda: near.read(4_900_000))
                server.expect_command("ABOR")
                server.reply("226 stored")
                client.expect("426")


@pytest.mark.parametrize("what", ["sshd", "client"])
def test_idle_far_client(what, ns, start_sshd, start_culvert):
    """-R: a client whose channel sshd closes; not one that ends itself."""
    sshd = start_sshd("ChannelTimeout forwarded-tcpip=2s"
                      if what == "sshd" else "ChannelTimeout session:*=2s")
    with scripted.Listener(kind=scripted.Control) as listener:
        tunnel = start_culvert(remotes=[f"0:127.0.0.1:{listener.port}"],
                               sshd=sshd, options=["-v"])
        with scripted.client(*tunnel.listeners[0], side=ns) as client, \
                listener.accept() as server:
            server.reply("220 hello")
            client.expect("220")
            hint = "the control connection to the client was closed after " \
                r"\d+ s without traffic: .*ChannelTimeout.*forwarded-tcpip=0"
            if what == "sshd":
                server.expect_end()
                server.close()
                tunnel.wait_log(hint)
            else:
                with pytest.raises(Timeout):
                    tunnel.wait_log(hint, 1.5)
                client.close()
                server.expect_end()
                server.close()
        tunnel.wait_log(r"\[1\] ended")
        assert tunnel.output.count("ChannelTimeout") == (what == "sshd")
