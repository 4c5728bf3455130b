"""Idle control connections live."""

import re
import subprocess

import scripted
from process import until
from transfer import modes


def answer_noops(server, count):
    """Play a server that is sent so many NOOPs."""
    for _ in range(count):
        server.expect_command("NOOP")
        server.reply("200 nothing done")


def test_keepalive(session):
    """NOOPs reach the server, and the client sees none of them."""
    one = session(options=["--keepalive", "1"])
    answer_noops(one.server, 2)
    one.command("PWD")
    one.server.reply('257 "/"')
    assert one.client.expect("257") == '257 "/"\r\n'
    answer_noops(one.server, 1)
    one.command("QUIT")
    one.server.reply("221 bye")
    assert one.client.expect("221") == "221 bye\r\n"


def test_keepalive_behind_commands(session):
    """A command that crosses a NOOP gets its own reply."""
    one = session(options=["--keepalive", "1"])
    one.server.expect_command("NOOP")
    one.command("CWD x")
    one.server.reply("200 nothing done", "250 there")
    assert one.client.expect("250") == "250 there\r\n"


def test_no_keepalive_before_login(session):
    """Before the login nothing is sent, after it NOOP is."""
    one = session(log_in=False, options=["--keepalive", "1"])
    one.say("220 ready")
    second = one.open()
    second[1].reply("220 ready")
    second[0].expect("220")
    second[0].command("USER b")
    second[1].expect_command("USER b")
    second[1].reply("230 in")
    second[0].expect("230")
    answer_noops(second[1], 2)
    for wire in second:
        wire.close()
    # The first one was idle for longer.
    one.command("USER a")


@modes
def test_no_keepalive_in_a_transfer(mode, session):
    """While data move, or may, no NOOP is sent."""
    one = session(options=["--keepalive", "1"])
    second = one.open()
    near, far = one.data(mode, "RETR file")
    second[1].reply("220 ready")
    second[0].expect("220")
    second[0].command("USER b")
    second[1].expect_command("USER b")
    second[1].reply("230 in")
    answer_noops(second[1], 2)  # more than its time has passed
    with near, far:
        far.send(b"whole")
        far.close()
        assert near.read_all() == b"whole"
    one.say("226 done")
    answer_noops(one.server, 1)
    for wire in second:
        wire.close()


def tcp_timers(pid):
    """Return the timers of a process's TCP connections, as ss says them."""
    said = subprocess.run(["ss", "-tnopH"], check=True, capture_output=True,
                          text=True).stdout
    lines = [line for line in said.splitlines() if f"pid={pid}," in line]
    return [(re.findall(r"timer:\((.*?)\)", line) or ["none"])[0]
            for line in lines]


def test_tcp_keepalive(session):
    """Both near sockets have TCP keepalive."""
    one = session()
    with scripted.Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        there = scripted.parse_port(one.client.expect("227"))
        with scripted.dial(*there), listener.accept():
            # The one of what was sent just now comes first.
            until(lambda: [re.sub(r",.*", "", timer)
                           for timer in tcp_timers(one.culvert.pid)]
                  == ["keepalive"] * 2, "both have a keepalive timer")
            for timer in tcp_timers(one.culvert.pid):
                # Minutes, not the kernel's two hours.
                assert re.match(r"keepalive,(\d+sec|\d+min\d*sec|1min)",
                                timer), timer
