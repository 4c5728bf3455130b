"""Strangers at data listeners: refused, and what they may have got is no file.

Each refusal has a line in the log that names cause and fix.
"""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

import scripted
from process import until
from scripted import Listener
from servers import NOBODY, PYTHON

# Connects to argv[1:3] and prints how the connection ends.
STRANGER = """\
import socket, sys
try:
    with socket.create_connection(sys.argv[1:3], 20) as sock:
        print(sock.recv(100))
except ConnectionResetError:
    print("reset")
"""


def check_refused(there, source):
    """Fail unless a connection from that address is reset, unserved."""
    try:
        with scripted.dial(*there, source=(source, 0)) as stranger:
            assert stranger.expect_reset() == b""
    except ConnectionResetError:
        pass  # before connect() had returned


def announce(session, command="PASV"):
    """Prepare a passive transfer: (where the client goes, far listener)."""
    listener = Listener(session.ns)
    session.command(command)
    session.server.reply(f"227 ({listener.port_argument()})")
    return scripted.parse_port(session.client.expect("227")), listener


def check_client_still_can(there, listener):
    """Fail unless the right client gets its data connection."""
    with listener, listener.accept() as far, scripted.dial(*there) as near:
        far.send_to(near, b"hello")


@pytest.mark.parametrize("network", ["loopback", "veth"])
def test_stranger_from_another_address(network, ns, session):
    """Refused at once, and the session's own client still can connect."""
    near, other = ("127.0.0.1", "127.0.0.2")
    if network == "veth":
        near, other = ns.near4, "127.0.0.1"
    one = session(near=near, options=["--allow", near])
    there, listener = announce(one)
    assert there[0] == near
    check_refused(there, other)
    one.culvert.wait_log(rf"refused a data connection from {other}:\d+: "
                         "it does not come from the address of the "
                         "session's client")
    check_client_still_can(there, listener)


def stranger(there, **how):
    """Return how a connection from a process of another user ends."""
    child = subprocess.run(
        [PYTHON, "-c", STRANGER, there[0], str(there[1])], timeout=20,
        capture_output=True, text=True, user=NOBODY, group=NOBODY,
        extra_groups=[], cwd="/", **how)
    return child.stdout + child.stderr


def test_stranger_of_another_user(session):
    """On loopback another user is a stranger, although the address is the
    same.
    """
    one = session()
    there, listener = announce(one)
    assert stranger(there) == "reset\n"
    one.culvert.wait_log(
        rf"refused a data connection from 127.0.0.1:\d+: .*user id {NOBODY},"
        " the session to user id 0; --any-user")
    check_client_still_can(there, listener)


def test_stranger_of_another_user_ipv6(session):
    """The same over IPv6."""
    one = session(near="::1")
    with Listener(one.ns) as listener:
        one.command("EPSV")
        one.server.reply(f"229 (|||{listener.port}|)")
        there = "::1", scripted.parse_epsv(one.client.expect("229"))
        assert stranger(there) == "reset\n"
        one.culvert.wait_log(f"user id {NOBODY}")
        check_client_still_can(there, listener)


def test_any_user(session):
    """--any-user accepts the same connection."""
    one = session(options=["--any-user"])
    there, listener = announce(one)
    with listener:
        result = scripted.start(stranger, there)
        with listener.accept() as far:
            far.send(b"hello")
        assert result.result(20) == "b'hello'\n"


def test_any_user_is_not_any_address(session):
    """--any-user does not change the check of the address."""
    one = session(options=["--any-user"])
    there, listener = announce(one)
    check_refused(there, "127.0.0.2")
    check_client_still_can(there, listener)


# ---- a client that has gone before it could be looked up ----

@contextlib.contextmanager
def stopped(one):
    """Keep culvert from doing anything meanwhile."""
    one.culvert.process.send_signal(signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{one.culvert.pid}/stat")
    try:
        until(lambda: stat.read_text().split()[2] == "T", "culvert is stopped")
        yield
    finally:
        one.culvert.process.send_signal(signal.SIGCONT)


def come_and_go(one, there, end):
    """Connect, send and end before culvert can see it."""
    with stopped(one):
        wire = scripted.dial(*there)
        wire.send(b"hello")
        getattr(wire, end)()


GONE = pytest.mark.parametrize("end, why", [
    ("close", "the data connection was closed before its user could be looked"
              " up"),
    ("reset", "the data connection was reset at once")])


@GONE
def test_client_gone_before_the_command(end, why, session):
    """The user is unknown: refused, and soon the command as well."""
    one = session()
    there, listener = announce(one)
    with listener, listener.accept() as far:
        come_and_go(one, there, end)
        far.expect_end()  # after the moment that the client has
        one.client.exchange("STOR file", f"425 No data connection: {why}.")
    if end == "close":
        one.culvert.wait_log("it was closed before its user could be looked "
                             "up; a client that closes after the reply is "
                             "accepted, and --any-user accepts ")
    one.goes_on()


@GONE
@pytest.mark.parametrize("verb", ["STOR", "RETR"])
def test_client_gone_in_the_transfer(verb, end, why, tmp, session):
    """The same while the transfer waits for it: a reply, and a record."""
    one = session(options=["--transfer-log", str(tmp / "log")])
    there, listener = announce(one)
    began = time.monotonic()
    with listener, listener.accept() as far:
        one.command(f"{verb} file")
        one.say("150 here")
        come_and_go(one, there, end)
        if verb == "RETR":
            far.expect_end()
        else:
            one.server.expect_command("ABOR")
        one.server.reply("426 broken" if verb == "RETR" else "226 fine")
        one.client.expect("42")
        assert time.monotonic() - began < 10
        if verb == "STOR":
            one.server.reply("225 aborted")
        until((tmp / "log").read_text, "a record")
        record = json.loads((tmp / "log").read_text())
        assert record["outcome"] == (
            "aborted" if verb == "RETR" else "truncated")
        assert (record["why"], record["bytes"]) == (why, 0)
    one.goes_on()


def test_stranger_comes_and_goes(session):
    """It was not the client's, which connects in time and is served."""
    one = session()
    there, listener = announce(one)
    with stopped(one):
        stranger_gone = subprocess.run(
            [PYTHON, "-c", "import socket, sys\n"
             "socket.create_connection(sys.argv[1:3]).close()",
             there[0], str(there[1])], timeout=20, user=NOBODY,
            group=NOBODY, extra_groups=[], cwd="/", check=False)
    assert stranger_gone.returncode == 0
    one.culvert.wait_log("closed before its user could be looked up")
    check_client_still_can(there, listener)


def test_any_user_accepts_closed_connections(session):
    """With --any-user nobody is looked up, and every byte arrives."""
    one = session(options=["--any-user"])
    there, listener = announce(one)
    with listener, listener.accept() as far:
        come_and_go(one, there, "close")
        far.expect_bytes(b"hello")


def test_control_gone_at_once(session):
    """A control connection that was closed at once is refused, too."""
    one = session()
    with stopped(one), scripted.client(*one.culvert.listeners[0]) as client:
        client.command("USER tester", "QUIT")
    one.culvert.wait_log("refused a client from .*: it was closed before its "
                         "user could be looked up; a client that closes "
                         "after the reply is accepted")
    one.goes_on()


def prepare_active(one, listener):
    """Play a PORT; returns where the server would connect."""
    one.client.command(f"PORT {listener.port_argument()}")
    there = scripted.parse_port(one.server.read_command("PORT"))
    one.say("200 PORT")
    return there


def test_theft_before_the_command(session):
    """Two have connected before the transfer begins: it does not begin."""
    one = session()
    with Listener() as listener:
        there = prepare_active(one, listener)
        with scripted.dial(*there, side=one.ns) as thief, listener.accept():
            with scripted.dial(*there, side=one.ns) as other:
                assert other.read_all() == b""
            assert thief.read_all() == b""
        one.client.exchange(
            "RETR file", "425 No data connection: another program may have"
            " taken the data connection")


@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_theft_from_afar(command, session):
    """Somebody is faster than the server: what he has is no transfer.

    The server's own connection is refused when it has already sent all, and
    calls that good.
    """
    one = session()
    with Listener() as listener:
        there = prepare_active(one, listener)
        one.command(command)
        with scripted.dial(*there, side=one.ns) as thief, \
                listener.accept() as near:
            if command == "RETR file":
                thief.send(b"forged")
                thief.half_close()
                near.expect_bytes(b"forged")
            with scripted.dial(*there, side=one.ns):
                one.say("150 here")
                one.culvert.wait_log(
                    r"^culvert: \[1\] possible theft of a data connection: "
                    "refused a second connection to port "
                    f"{there[1]} of the SSH server's loopback, where one was"
                    " expected")
                one.server.reply("226 done")
            if command == "STOR file":
                near.expect_reset()
        # 425: the client's own connection was not made yet.
        assert re.match("42[56] Transfer not complete: another program may "
                        "have taken the data connection", one.client.read_reply())


def test_second_connection_from_afar(session):
    """A later one is refused and logged, and has no effect.

    Later: when the server has not sent anything for LIMIT_SECOND_MS.
    """
    one = session()
    with Listener() as listener:
        one.client.command(f"PORT {listener.port_argument()}")
        there = scripted.parse_port(one.server.read_command("PORT"))
        one.say("200 PORT")
        one.command("RETR file")
        far = scripted.dial(*there, side=one.ns)
        with far, listener.accept() as near:
            one.say("150 here")
            time.sleep(2.5)  # no event tells that time has passed
            with scripted.dial(*there, side=one.ns) as second:
                assert second.read_all() == b""
            one.culvert.wait_log("possible theft of a data connection: .*"
                                 f"port {there[1]} of the SSH server")
            far.send(b"hello")
            far.half_close()
            assert near.read_all() == b"hello"
        one.say("226 done")
        # Between transfers it accepts nobody.
        mark = one.culvert.mark()
        try:
            with scripted.dial(*there, side=one.ns) as late:
                assert late.read_all() == b""
            one.culvert.wait_log("refused a connection", start=mark)
        except ConnectionRefusedError:
            pass
