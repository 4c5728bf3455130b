"""SIGUSR1, --drain and SIGHUP."""

import http.client
import os
import re
import signal

import pytest

import culvert
import netns
import scripted
import test_metrics
from process import FAILSAFE, descendants, until
from transfer import Ftp, modes, replies_to_end

STOPPING = "421 culvert is stopping.\r\n"


def send(one, number=signal.SIGUSR1):
    """Send a signal that lets culvert run on."""
    one.culvert.see()
    one.culvert.process.send_signal(number)


def wait_refused(one):
    """Wait until nobody listens there any more."""
    # Before that, a connection of this function would be a session, which a
    # test could take for its own.
    one.culvert.wait_log("culvert: .*stopping")

    def gone():
        try:
            scripted.dial(*one.culvert.listeners[0]).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # it closed just then
        return False
    until(gone, "culvert's listener closes")


def wait_end(one):
    """Wait for its good end; fails if anything is left."""
    assert one.culvert.process.wait() == 0, one.culvert.output
    one.culvert.check()
    one.culvert.check_nothing_left()


def finish(one, near, far):
    """Complete the download, after which culvert ends."""
    far.send(b"whole")
    far.close()
    assert near.read_all() == b"whole"
    one.server.reply("226 done")
    assert [text[:3] for text in replies_to_end(one.client)] == ["226", "421"]
    wait_end(one)


def test_idle(session):
    """Nothing to wait for: 421, and it ends."""
    one = session()
    send(one)
    assert replies_to_end(one.client) == [STOPPING]
    one.server.expect_end()
    wait_end(one)


def test_no_session(start_culvert):
    """Without any session."""
    one = start_culvert("0:127.0.0.1:21")
    one.see()
    one.process.send_signal(signal.SIGUSR1)
    assert one.process.wait() == 0, one.output
    one.check_nothing_left()


def test_on_demand(start_culvert):
    """On demand, without an ssh."""
    one = start_culvert("0:127.0.0.1:21", options=["--on-demand"])
    one.process.send_signal(signal.SIGUSR1)
    assert one.process.wait() == 0, one.output
    one.check_nothing_left()


def test_while_ssh_connects(start_sshd, start_culvert):
    """Without a link: an sshd that does not answer."""
    sshd = start_sshd()
    stopped = [sshd.process.pid, *descendants(sshd.process.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        one = start_culvert("0:127.0.0.1:21", options=["-vvv"], sshd=sshd,
                            ready=False)
        one.wait_log("Local version string")
        one.see()
        one.process.send_signal(signal.SIGUSR1)
        assert one.process.wait() == 0, one.output
        one.check_nothing_left()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@modes
@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_transfer(mode, command, session):
    """A transfer ends well, and no new client is accepted meanwhile."""
    one = session(options=["-v"])
    near, far = one.data(mode, command)
    source, sink = (far, near) if command == "RETR file" else (near, far)
    with near, far:
        source.send_to(sink, b"a part")
        send(one)
        wait_refused(one)
        source.send(b" and the rest")
        source.half_close()
        assert sink.read_all() == b" and the rest"
        sink.close()
        one.say("226 done")
        assert replies_to_end(one.client) == [STOPPING]
    one.culvert.wait_log(r'"file", 19 bytes: complete \(226\)')
    wait_end(one)


def test_address_is_free(session, sshd, directories):
    """The next culvert can listen before the last transfer has ended."""
    one = session()
    near, far = one.data("passive", "RETR file")
    send(one)
    wait_refused(one)
    port = one.culvert.port
    second = culvert.Culvert(
        directories(), [f"{port}:127.0.0.1:{one.listener.port}"],
        sshd.config)
    try:
        one.check_next()
        second.stop()
    finally:
        second.kill()
    finish(one, near, far)


def test_second_signal(session):
    """A second signal ends it at once, and the transfer is cut."""
    one = session()
    near, far = one.data("passive", "RETR file")
    far.send_to(near, b"a part")
    send(one)
    wait_refused(one)
    send(one)
    near.expect_reset()
    assert [text[:3] for text in replies_to_end(one.client)] == \
        ["426", "421"]
    wait_end(one)


@pytest.mark.parametrize("before", [None, signal.SIGUSR1])
def test_drain_option(before, session):
    """--drain: SIGTERM waits for transfers, for a limited time."""
    one = session(options=["--drain", "1"])
    near, far = one.data("passive", "RETR file")
    far.send_to(near, b"a part")
    if before is not None:
        send(one, before)
        wait_refused(one)
    send(one, signal.SIGTERM)
    wait_refused(one)
    near.expect_reset()
    assert [text[:3] for text in replies_to_end(one.client)] == \
        ["426", "421"]
    one.culvert.wait_log("1 session did not end in time")
    wait_end(one)


def test_remote(start_culvert, server, sshd, ns):
    """-R: sshd stops listening, and the transfer ends well."""
    ftp_server = scripted.Listener(kind=scripted.Control)
    one = start_culvert(remotes=[f"0:127.0.0.1:{ftp_server.port}"],
                        sshd=sshd)
    host, port = one.listeners[0]
    with ftp_server, scripted.dial("127.0.0.1", port, side=ns,
                                   kind=scripted.Control) as client, \
            ftp_server.accept() as far:
        far.reply("220 ready")
        client.expect("220")
        client.command("USER a")
        far.expect_command("USER a")
        far.reply("230 in")
        client.expect("230")
        client.command("NOOP")
        far.expect_command("NOOP")
        one.see()
        one.process.send_signal(signal.SIGUSR1)
        until(lambda: not ns.listening(port), "sshd does not listen any more")
        far.reply("200 ok")
        client.expect("200")
        assert replies_to_end(client) == [STOPPING]
    assert one.process.wait() == 0, one.output
    one.check_nothing_left()


def test_hangup(server, start_culvert, tmp):
    """SIGHUP has no effect on sessions."""
    ftp_server = server("vsftpd")
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", options=["-v"])
    content = os.urandom(100_000)
    (ftp_server.mkdir(tmp.name) / "file").write_bytes(content)
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            one.process.send_signal(signal.SIGHUP)
            one.wait_log("Hangup: ignored")
            assert data.read_all() == content
        ftp.expect("226")
        assert ftp.fetch("active", f"RETR {tmp.name}/file") == content
    with Ftp(one, ftp_server) as ftp:
        ftp.exchange("PWD", "257")


def test_while_it_ends_anyway(session):
    """The link is lost for good while a client has not ended."""
    one = session()
    one.culvert.see()
    os.kill(one.culvert.ssh, signal.SIGKILL)
    one.client.expect("421")
    one.culvert.wait_log("the SSH connection to files.test was lost")
    send(one)
    one.client.close()
    assert one.culvert.process.wait() == 1, one.culvert.output
    one.culvert.check()
    one.culvert.check_nothing_left()


def test_tunnel_that_failed(start_culvert, ns):
    """After a failure, a signal does not change the exit status."""
    with scripted.Listener(ns, kind=scripted.Control) as taken:
        one = start_culvert(remotes=[f"{taken.port}:127.0.0.1:21"],
                            ready=False)
        one.wait_log("cannot listen on")
        try:
            one.process.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            pass
        assert one.process.wait() == 1, one.output
    one.check_nothing_left()


def scrape(at):
    """Fetch the metrics at an address and port, or at a Unix socket."""
    if isinstance(at, str):
        connection = test_metrics.UnixHTTP(at)
    else:
        connection = http.client.HTTPConnection(*at, timeout=FAILSAFE)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.mark.parametrize("kind", ["port", "path"])
def test_successor(kind, session, sshd, directories, tmp):
    """The next culvert starts with the same options during a transfer."""
    place = ("127.0.0.1", netns.Here.free_port())
    option = f"127.0.0.1:{place[1]}"
    if kind == "path":
        place = f"{tmp}/metrics"
        option = f"unix:{place}"
    options = ["--metrics", option, "--transfer-log", f"{tmp}/log"]
    one = session(options=options)
    near, far = one.data("passive", "RETR file")
    waiting = scripted.dial(*place) if kind == "port" else None
    with near, far:
        if waiting:
            # It is accepted before the drain, and sends its request after it.
            until(lambda: "culvert_sessions" in scrape(place), "an answer")
        send(one)
        wait_refused(one)
        second = culvert.Culvert(
            directories(),
            [f"{one.culvert.port}:127.0.0.1:{one.listener.port}"],
            sshd.config, options=options)
        try:
            if waiting:
                waiting.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"
                             b"Connection: close\r\n\r\n")
                assert b"culvert_sessions{" in waiting.read_all()
            assert re.search(r"culvert_sessions_total{.*} 0\n", scrape(place))
            client, server = one.open()
            with client, server:
                server.reply("220 the next")
                client.expect("220 the next")
                assert re.search(r"culvert_sessions_total{.*} 1\n",
                                 scrape(place))
                finish(one, near, far)
                # Its end does not affect the next one.
                assert "culvert_sessions" in scrape(place)
            second.stop()
        finally:
            second.kill()
    assert '"file"' in (tmp / "log").read_text()
