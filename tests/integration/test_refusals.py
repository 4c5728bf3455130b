"""Refusals: host-ports, strangers, sshd, the server.

Each has a clear reply to the client, and a line in the log that names cause
and fix.
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
from scripted import Listener, port_argument
from servers import NOBODY, PYTHON
from transfer import replies_to_end

# Connects to argv[1:3] and says how that ends.
STRANGER = """\
import socket, sys
try:
    with socket.create_connection(sys.argv[1:3], 20) as sock:
        print(sock.recv(100))
except ConnectionResetError:
    print("reset")
"""


def next_is(session, command):
    """Fail unless this is the next command that the server sees."""
    session.client.command(command)
    session.server.expect_command(command)
    session.server.reply("200 fine")
    session.client.expect("200 fine")


# ---- host-ports ----

FOREIGN = [
    ("PORT", "PORT 10,9,8,7,200,1", "not the client's own"),
    ("EPRT", "EPRT |1|10.9.8.7|51201|", "not the client's own"),
    ("EPRT", "EPRT |2|fdc0::7|51201|", "not the client's own"),
    # Another address of this host is another host, too.
    ("PORT", "PORT 127,0,0,2,200,1", "not the client's own"),
    ("PORT", "PORT 127,0,0,1,3,255", "below 1024"),
    ("EPRT", "EPRT |1|127.0.0.1|25|", "below 1024"),
]
foreign = pytest.mark.parametrize(
    "verb, command, why", FOREIGN, ids=[command for _, command, _ in FOREIGN])


def test_foreign_ports(session):
    """Another host, or a port of a well-known service: 500, no bounce."""
    one = session()
    for verb, command, why in FOREIGN:
        mark = one.culvert.mark()
        one.client.command(command)
        reply = one.client.expect(f"500 {verb} refused by culvert")
        assert why in reply
        one.culvert.wait_log(
            rf"refused {verb} for \S+: .*{why}; --foreign-port pass",
            start=mark)
    next_is(one, "NOOP")  # the server has seen none of them


def test_foreign_port_over_ipv6(session):
    """The same for a client that is at ::1."""
    one = session(near="::1")
    one.client.command("EPRT |2|fdc0::7|51201|", "EPRT |1|127.0.0.1|51201|",
                       "EPRT |2|::1|80|")
    for _ in range(3):
        one.client.expect("500 EPRT refused")
    next_is(one, "NOOP")


def test_refused_in_its_turn(session):
    """Pipelined: the refusal waits for the replies before it."""
    one = session()
    one.client.command("NOOP", "PORT 10,9,8,7,200,1", "PWD")
    one.server.expect_command("NOOP")
    one.server.expect_command("PWD")
    one.server.reply("200 noop", '257 "/"')
    one.client.expect("200 noop")
    one.client.expect("500 PORT")
    one.client.expect("257")


def test_refused_keeps_the_prepared_one(session):
    """A refused PORT changes nothing: what PASV has prepared still works."""
    one = session()
    with Listener(one.ns) as listener:
        one.client.command("PASV")
        one.server.expect_command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        there = scripted.parse_port(one.client.expect("227"))
        one.client.command("PORT 10,9,8,7,200,1")
        one.client.expect("500")
        with scripted.dial(*there) as near, listener.accept() as far:
            far.send(b"hello")
            near.expect_bytes(b"hello")


@foreign
def test_foreign_port_pass(verb, command, why, session):
    """--foreign-port pass: the server sees the command untouched."""
    one = session(options=["--foreign-port", "pass"])
    next_is(one, command)


def test_foreign_port_pass_with_our_own(session):
    """With --foreign-port pass the client's own PORT still goes by SSH."""
    one = session(options=["--foreign-port", "pass"])
    near, far = one.data("active", "RETR file")
    with near, far:
        far.send(b"hello")
        near.expect_bytes(b"hello")


def test_foreign_port_refuse(session):
    """--foreign-port refuse is the default, spelt out."""
    one = session(options=["--foreign-port", "refuse"])
    one.client.command("PORT 10,9,8,7,200,1")
    one.client.expect("500")


# ---- strangers at a data listener ----

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
    session.client.command(command)
    session.server.expect_command(command)
    session.server.reply(f"227 ({listener.port_argument()})")
    return scripted.parse_port(session.client.expect("227")), listener


def check_client_still_can(there, listener):
    """Fail unless the right client gets its data connection."""
    with listener, listener.accept() as far, scripted.dial(*there) as near:
        far.send(b"hello")
        near.expect_bytes(b"hello")


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
                         "it does not come from the session's client")
    check_client_still_can(there, listener)


def stranger(there, **how):
    """Return how a connection from a process of another user ends."""
    child = subprocess.run(
        [PYTHON, "-c", STRANGER, there[0], str(there[1])], timeout=20,
        capture_output=True, text=True, user=NOBODY, group=NOBODY,
        extra_groups=[], cwd="/", **how)
    return child.stdout + child.stderr


def test_stranger_of_another_user(session):
    """On loopback another user is a stranger, though at our address."""
    one = session()
    there, listener = announce(one)
    assert stranger(there) == "reset\n"
    one.culvert.wait_log(
        rf"refused a data connection from 127.0.0.1:\d+: .*user id {NOBODY},"
        " the session to 0; --any-user")
    check_client_still_can(there, listener)


def test_stranger_of_another_user_ipv6(session):
    """The same over IPv6."""
    one = session(near="::1")
    with Listener(one.ns) as listener:
        one.client.command("EPSV")
        one.server.expect_command("EPSV")
        one.server.reply(f"229 (|||{listener.port}|)")
        there = "::1", scripted.parse_epsv(one.client.expect("229"))
        assert stranger(there) == "reset\n"
        one.culvert.wait_log(f"user id {NOBODY}")
        check_client_still_can(there, listener)


def test_any_user(session):
    """--any-user takes the same connection."""
    one = session(options=["--any-user"])
    there, listener = announce(one)
    with listener:
        result = scripted.start(stranger, there)
        with listener.accept() as far:
            far.send(b"hello")
        assert result.result(20) == "b'hello'\n"


def test_any_user_is_not_any_address(session):
    """--any-user says nothing of addresses."""
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
    """Nobody can tell whose it was: refused, and soon the command as well."""
    one = session()
    there, listener = announce(one)
    with listener, listener.accept() as far:
        come_and_go(one, there, end)
        far.expect_end()  # after the moment that the client has
        one.client.command("STOR file")
        one.client.expect(f"425 No data connection: {why}.")
    if end == "close":
        one.culvert.wait_log("it was closed before its user could be looked "
                             "up; a client that closes behind the reply is "
                             "taken, and --any-user takes everybody")
    next_is(one, "NOOP")


@GONE
@pytest.mark.parametrize("verb", ["STOR", "RETR"])
def test_client_gone_in_the_transfer(verb, end, why, tmp, session):
    """The same while the transfer waits for it: a reply, and a record."""
    one = session(options=["--transfer-log", str(tmp / "log")])
    there, listener = announce(one)
    began = time.monotonic()
    with listener, listener.accept() as far:
        one.client.command(f"{verb} file")
        one.server.expect_command(f"{verb} file")
        one.server.reply("150 here")
        one.client.expect("150")
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
    next_is(one, "NOOP")


def test_stranger_comes_and_goes(session):
    """It was not the client's: that comes in time, and is served."""
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


def test_any_user_takes_who_has_gone(session):
    """With --any-user nobody is looked up, and every byte arrives."""
    one = session(options=["--any-user"])
    there, listener = announce(one)
    with listener, listener.accept() as far:
        come_and_go(one, there, "close")
        far.expect_bytes(b"hello")


def test_control_gone_at_once(session):
    """A client whose control connection has gone so is not taken either."""
    one = session()
    with stopped(one), scripted.client(*one.culvert.listeners[0]) as client:
        client.command("USER tester", "QUIT")
    one.culvert.wait_log("refused a client from .*: it was closed before its "
                         "user could be looked up; a client that closes "
                         "behind the reply is taken")
    next_is(one, "NOOP")


def prepare_active(one, listener):
    """Play a PORT; returns where the server would connect."""
    one.client.command(f"PORT {listener.port_argument()}")
    there = scripted.parse_port(one.server.read_command("PORT"))
    one.server.reply("200 PORT")
    one.client.expect("200")
    return there


def test_theft_before_the_command(session):
    """Two have come before the transfer has begun: it does not begin."""
    one = session()
    with Listener() as listener:
        there = prepare_active(one, listener)
        with scripted.dial(*there, side=one.ns) as thief, listener.accept():
            with scripted.dial(*there, side=one.ns) as other:
                assert other.read_all() == b""
            assert thief.read_all() == b""
        one.client.command("RETR file")
        one.client.expect("425 No data connection: somebody else may have"
                          " the data connection")


@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_theft_from_afar(command, session):
    """Somebody is faster than the server: what he has is no transfer.

    The server's own connection is refused when it has already sent all, and
    calls that good.
    """
    one = session()
    with Listener() as listener:
        there = prepare_active(one, listener)
        one.client.command(command)
        one.server.expect_command(command)
        with scripted.dial(*there, side=one.ns) as thief, \
                listener.accept() as near:
            if command == "RETR file":
                thief.send(b"forged")
                thief.half_close()
                near.expect_bytes(b"forged")
            with scripted.dial(*there, side=one.ns):
                one.server.reply("150 here")
                one.client.expect("150")
                one.culvert.wait_log(
                    r"^culvert: \[1\] possible theft of a data connection: "
                    "refused a second connection to port "
                    f"{there[1]} of the SSH server's loopback, where one was"
                    " expected")
                one.server.reply("226 done")
            if command == "STOR file":
                near.expect_reset()
        # 425: the client's own end did not stand yet.
        assert re.match("42[56] Transfer not complete: somebody else may have"
                        " the data connection", one.client.read_reply())


def test_second_connection_from_afar(session):
    """A later one is refused, and said, and harms nobody.

    Later: when the server has not spoken for LIMIT_SECOND_MS.
    """
    one = session()
    with Listener() as listener:
        one.client.command(f"PORT {listener.port_argument()}")
        there = scripted.parse_port(one.server.read_command("PORT"))
        one.server.reply("200 PORT")
        one.client.expect("200")
        one.client.command("RETR file")
        one.server.expect_command("RETR file")
        far = scripted.dial(*there, side=one.ns)
        with far, listener.accept() as near:
            one.server.reply("150 here")
            one.client.expect("150")
            time.sleep(2.5)  # no event tells that time has passed
            with scripted.dial(*there, side=one.ns) as second:
                assert second.read_all() == b""
            one.culvert.wait_log("possible theft of a data connection: .*"
                                 f"port {there[1]} of the SSH server")
            far.send(b"hello")
            far.half_close()
            assert near.read_all() == b"hello"
        one.server.reply("226 done")
        one.client.expect("226")
        # Between transfers it takes nobody.
        mark = one.culvert.mark()
        try:
            with scripted.dial(*there, side=one.ns) as late:
                assert late.read_all() == b""
            one.culvert.wait_log("refused a connection", start=mark)
        except ConnectionRefusedError:
            pass


# ---- what sshd refuses ----

def restricted(start_sshd, line):
    """Start an sshd with that line of sshd_config.

    An option of authorized_keys, which begins in lower case, is put in front
    of the user's key: sshd reads that file when somebody logs in.
    """
    if line[0].isupper():
        return start_sshd(line)
    sshd = start_sshd()
    path = pathlib.Path(sshd.dir) / "user_key.pub"
    path.write_text(f"{line} {path.read_text()}")
    return sshd


no_listener = pytest.mark.parametrize("line", [
    "AllowTcpForwarding local",
    "PermitListen 127.0.0.1:4711",
    "PermitListen none",
    'permitlisten="4711"',
])


def names_the_directives(log):
    """Fail unless that line says where sshd's refusal may come from."""
    for word in "sshd", "AllowTcpForwarding", "PermitListen", "permitlisten":
        assert word in log, log


@no_listener
def test_sshd_refuses_the_listener(line, start_sshd, session):
    """No remote forward: active becomes passive, said once; passive works."""
    one = session(sshd=restricted(start_sshd, line))
    for verb in "PORT", "EPRT", "PORT":
        with Listener() as mine, Listener(one.ns) as theirs:
            one.client.command(f"PORT {mine.port_argument()}" if verb == "PORT"
                               else f"EPRT {mine.eprt_argument()}")
            one.server.expect_command("EPSV")
            one.server.reply(f"229 (|||{theirs.port}|)")
            one.client.expect(f"200 {verb} command successful.\r\n")
            one.client.command("RETR file")
            one.server.expect_command("RETR file")
            one.server.reply("150 here")
            one.client.expect("150 here\r\n")
            with mine.accept() as near, theirs.accept() as far:
                far.send(b"hello")
                far.half_close()
                assert near.read_all() == b"hello"
            one.server.reply("226 done")
            one.client.expect("226 done\r\n")
    names_the_directives(one.culvert.wait_log(
        "active mode does not work with the server .*translated to passive "
        "mode from now on").string)
    assert one.culvert.output.count("translated to") == 1
    near, far = one.data("passive", "RETR file")
    with near, far:
        far.send(b"hello")
        near.expect_bytes(b"hello")


@no_listener
def test_sshd_refuses_the_listener_and_no_other_mode(
        line, start_sshd, session):
    """--server-mode active: active is refused with 5xx, and the fix said."""
    one = session(sshd=restricted(start_sshd, line),
                  options=["--server-mode", "active"])
    with Listener() as listener:
        for command in (f"PORT {listener.port_argument()}",
                        f"EPRT {listener.eprt_argument()}"):
            mark = one.culvert.mark()
            one.client.command(command)
            reply = one.client.expect("502")
            assert "passive" in reply
            assert "sshd" in reply, reply
            log = one.culvert.wait_log(
                f"no data connection for {command[:4]}: 502 .*"
                "; --server-mode same would try both modes$",
                start=mark).string
            names_the_directives(log)
    next_is(one, "NOOP")  # the server has seen none of them


def forbids_the_dial(log):
    """Fail unless that line says where sshd's refusal may come from."""
    for word in ("AllowTcpForwarding", "PermitOpen", "DisableForwarding",
                 "permitopen"):
        assert word in log, log


@pytest.mark.parametrize("line", [
    "PermitOpen 127.0.0.1:4711",
    "PermitOpen none",
    "AllowTcpForwarding no",
    "AllowTcpForwarding remote",
    "DisableForwarding yes",
    'permitopen="127.0.0.1:4711"',
    "no-port-forwarding",
])
def test_sshd_refuses_the_dial(line, start_sshd, start_culvert):
    """Not even control: 421, with sshd's word and where to look."""
    tunnel = start_culvert("0:127.0.0.1:21",
                           sshd=restricted(start_sshd, line))
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "prohibited" in replies[0] and "sshd" in replies[0], replies
    log = tunnel.wait_log(
        r"the FTP server 127\.0\.0\.1:21 cannot be reached from the SSH "
        "server: administratively prohibited").string
    forbids_the_dial(log)


def test_sshd_refuses_the_data_dial(start_sshd, start_culvert, ns):
    """Control may pass and data not, in neither mode: 425 quotes sshd."""
    with scripted.server(ns) as listener:
        to = f"127.0.0.1:{listener.port}"
        tunnel = start_culvert(f"0:{to}", sshd=start_sshd(f"PermitOpen {to}"))
        with scripted.client(*tunnel.listeners[0]) as client, \
                listener.accept() as server:
            server.reply("220 hello")
            client.expect("220")
            client.command("PASV")
            server.expect_command("PASV")
            server.reply(f"227 ({port_argument('127.0.0.1', 4711)})")
            server.expect_command("EPSV")
            server.reply("229 (|||4711|)")
            for verb in "PORT", "EPRT":
                server.read_command(verb)
                server.reply("500 what?")
            forbids_the_dial(client.expect("425 "))
            log = tunnel.wait_log(
                "the data connection from the SSH server to the server's port "
                r"4711 \(at 127.0.0.1\) failed: administratively prohibited"
            ).string
            forbids_the_dial(log)


# ---- what the far host refuses ----

def test_closed_port(start_culvert, ns):
    """Nobody listens where the FTP server should be."""
    port = ns.free_port()
    tunnel = start_culvert(f"0:127.0.0.1:{port}")
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "refused" in replies[0], replies
    tunnel.wait_log(rf"the FTP server 127.0.0.1:{port} cannot be reached from "
                    "the SSH server: .*refused")


def test_unknown_name(start_culvert):
    """Its name is looked up on the far side, and unknown there."""
    tunnel = start_culvert("0:ftp.invalid:21")
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "ftp.invalid" in replies[0], replies
    tunnel.wait_log("the FTP server ftp.invalid:21 cannot be reached from the "
                    "SSH server: .*[Nn]ame")


def test_closed_data_port(session):
    """The passive port is closed: so is ours, before the client comes.

    Of a form that was good before; else see test_passive_fallback.py.
    """
    one = session()
    for wire in one.data("passive", "RETR file"):
        wire.close()
    one.server.reply("226 done")
    one.client.expect("226")
    port = one.ns.free_port()
    one.client.command("PASV")
    one.server.expect_command("PASV")
    one.server.reply(f"227 ({port_argument('127.0.0.1', port)})")
    there = scripted.parse_port(one.client.expect("227"))
    one.culvert.wait_log(f"data connection .*{port}.*refused")
    until(lambda: scripted.is_closed(there), "culvert's listener closes")


# ---- too many ----

def test_max_sessions(session):
    """The one too many gets 421; when one has ended, there is room."""
    one = session(options=["--max-sessions", "2"])
    second = one.open()
    with scripted.client(*one.culvert.listeners[0]) as third:
        assert replies_to_end(third) == [
            "421 Too many connections, try again later.\r\n"]
    one.culvert.wait_log(r"refused a client from 127.0.0.1:\d+: 2 sessions are"
                         " running, as many as --max-sessions allows")
    for wire in second:
        wire.close()
    one.client.command("QUIT")
    one.server.expect_command("QUIT")
    one.server.reply("221 bye")
    one.server.close()
    one.client.expect("221")
    one.client.expect_end()
    client, server = one.open()
    with client, server:
        server.reply("220 again")
        client.expect("220")
