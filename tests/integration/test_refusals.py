"""Refusals: host-ports, sshd, the far host, too many sessions.

Each has a clear reply to the client, and a line in the log that names cause
and fix.
"""

import pathlib

import pytest

import scripted
from process import until
from scripted import Listener, port_argument
from transfer import replies_to_end

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
        reply = one.client.exchange(command, f"500 {verb} refused by culvert")
        assert why in reply
        one.culvert.wait_log(
            rf"refused {verb} with the address \S+: .*{why}; --foreign-port pass",
            start=mark)
    one.goes_on()  # the server has seen none of them


def test_foreign_port_over_ipv6(session):
    """The same for a client that is at ::1."""
    one = session(near="::1")
    one.client.command("EPRT |2|fdc0::7|51201|", "EPRT |1|127.0.0.1|51201|",
                       "EPRT |2|::1|80|")
    for _ in range(3):
        one.client.expect("500 EPRT refused")
    one.goes_on()


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
    """After a refused PORT, what PASV has prepared still works."""
    one = session()
    with Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        there = scripted.parse_port(one.client.expect("227"))
        one.client.exchange("PORT 10,9,8,7,200,1", "500")
        with scripted.dial(*there) as near, listener.accept() as far:
            far.send_to(near, b"hello")


@foreign
def test_foreign_port_pass(verb, command, why, session):
    """--foreign-port pass: the server gets the command unchanged."""
    one = session(options=["--foreign-port", "pass"])
    one.exchange(command, "200 fine")


def test_foreign_port_pass_with_its_own(session):
    """With --foreign-port pass a PORT to the client itself still uses SSH."""
    one = session(options=["--foreign-port", "pass"])
    near, far = one.data("active", "RETR file")
    far.send_to(near, b"hello")


def test_foreign_port_refuse(session):
    """--foreign-port refuse is the default."""
    one = session(options=["--foreign-port", "refuse"])
    one.client.exchange("PORT 10,9,8,7,200,1", "500")


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
    """No remote forward: active becomes passive, with one log line; passive
    works.
    """
    one = session(sshd=restricted(start_sshd, line))
    for verb in "PORT", "EPRT", "PORT":
        with Listener() as mine, Listener(one.ns) as theirs:
            one.client.command(f"PORT {mine.port_argument()}" if verb == "PORT"
                               else f"EPRT {mine.eprt_argument()}")
            one.server.expect_command("EPSV")
            one.server.reply(f"229 (|||{theirs.port}|)")
            one.client.expect(f"200 {verb} command successful.\r\n")
            one.exchange("RETR file", "150 here")
            with mine.accept() as near, theirs.accept() as far:
                far.send(b"hello")
                far.half_close()
                assert near.read_all() == b"hello"
            one.say("226 done")
    names_the_directives(one.culvert.wait_log(
        "active mode does not work with the server .*translated to passive "
        "mode from now on").string)
    assert one.culvert.output.count("translated to") == 1
    near, far = one.data("passive", "RETR file")
    far.send_to(near, b"hello")


@no_listener
def test_sshd_refuses_the_listener_and_no_other_mode(
        line, start_sshd, session):
    """--server-mode active: active is refused with 5xx, and the log has the
    fix.
    """
    one = session(sshd=restricted(start_sshd, line),
                  options=["--server-mode", "active"])
    with Listener() as listener:
        for command in (f"PORT {listener.port_argument()}",
                        f"EPRT {listener.eprt_argument()}"):
            mark = one.culvert.mark()
            reply = one.client.exchange(command, "502")
            assert "passive" in reply
            assert "sshd" in reply, reply
            log = one.culvert.wait_log(
                f"no data connection for {command[:4]}: 502 .*"
                "; --server-mode same would try both modes$",
                start=mark).string
            names_the_directives(log)
    one.goes_on()  # the server has seen none of them


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
def test_sshd_refuses_to_connect(line, start_sshd, start_culvert):
    """Not even control: 421, with sshd's text and the place to look."""
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


def test_sshd_refuses_to_connect_for_data(start_sshd, start_culvert, ns):
    """Control is permitted, data are not, in neither mode: 425 quotes sshd."""
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
    """Nothing listens on the FTP server's port."""
    port = ns.free_port()
    tunnel = start_culvert(f"0:127.0.0.1:{port}")
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "refused" in replies[0], replies
    tunnel.wait_log(rf"the FTP server 127.0.0.1:{port} cannot be reached from "
                    "the SSH server: .*refused")


def test_unknown_name(start_culvert):
    """The FTP server's name is unknown on the far side."""
    tunnel = start_culvert("0:ftp.invalid:21")
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "ftp.invalid" in replies[0], replies
    tunnel.wait_log("the FTP server ftp.invalid:21 cannot be reached from the "
                    "SSH server: .*[Nn]ame")


def test_closed_data_port(session):
    """The passive port is closed: so is culvert's, before the client connects.

    The variant has worked before; for others see test_passive_fallback.py.
    """
    one = session()
    for wire in one.data("passive", "RETR file"):
        wire.close()
    one.say("226 done")
    port = one.ns.free_port()
    one.command("PASV")
    one.server.reply(f"227 ({port_argument('127.0.0.1', port)})")
    there = scripted.parse_port(one.client.expect("227"))
    one.culvert.wait_log(f"data connection .*{port}.*refused")
    until(lambda: scripted.is_closed(there), "culvert's listener closes")


# ---- too many ----

def test_max_sessions(session):
    """One too many gets 421; when one has ended, there is room."""
    one = session(options=["--max-sessions", "2"])
    second = one.open()
    with scripted.client(*one.culvert.listeners[0]) as third:
        assert replies_to_end(third) == [
            "421 Too many connections, try again later.\r\n"]
    one.culvert.wait_log(r"refused a client from 127.0.0.1:\d+: 2 sessions are"
                         " running, as many as --max-sessions allows")
    for wire in second:
        wire.close()
    one.command("QUIT")
    one.server.reply("221 bye")
    one.server.close()
    one.client.expect("221")
    one.client.expect_end()
    one.check_next()
