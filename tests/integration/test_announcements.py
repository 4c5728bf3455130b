"""How data connections are announced: PORT, EPRT, PASV, EPSV and replies."""


import pytest

import scripted
from clients import CLIENTS, Target
from process import until
from sessions import WAYS, ports_of, quiet, refused, wait_refused
from scripted import NEAR, Listener, announcement, eprt_argument
from servers import KINDS, MORE_KINDS
from transfer import Ftp, modes


# EPSV first, PASV after a refusal; EPRT first, PORT after.  Act on the
# reply.  A refusal drops what was prepared.

def refuse(one, verbs, *replies):
    """Refuse these, which come one after the other; returns their addresses.

    The last of the replies is for all that are left.
    """
    to = []
    for verb in verbs:
        argument = one.server.read_command(verb)
        if verb == "PORT":
            to.append(scripted.parse_port(argument))
        elif verb == "EPRT":
            to.append(scripted.parse_eprt(argument))
        one.server.reply(replies[0])
        replies = replies[1:] or replies
    return to


@pytest.mark.parametrize("code", [425, 500, 501, 502, 522, 550])
def test_refusals_and_second_choices(code, session):
    """All variants are refused: the client sees the first refusal.

    What was prepared is closed, and the client's other mode then works.
    """
    one = session()
    before = ports_of(one.culvert.pid)
    one.client.command("EPSV")
    dropped = refuse(one, ["EPSV", "PASV", "PORT", "EPRT"],
                     f"{code} no", "502 nor so")
    one.client.expect(f"{code} no\r\n")
    assert len(dropped) == 2
    for to in dropped:
        wait_refused(to, one.ns)
    until(lambda: ports_of(one.culvert.pid) == before, "our listener closes")
    listener, to = one.passive()
    one.command("RETR file")
    one.say("150 go")
    one.transfer(one.dial(to), one.keep(listener.accept()))

    mine = one.listen(NEAR)
    one.client.command("EPRT " + eprt_argument(*mine.sock.getsockname()))
    dropped = refuse(one, ["EPRT", "PORT", "EPSV", "PASV"],
                     f"{code} no", "502 nor so")
    one.client.expect(f"{code} no\r\n")
    assert len(dropped) == 2
    for to in dropped:
        wait_refused(to, one.ns)
    one.transfer(*one.data("active"))


@pytest.mark.parametrize("code", [425, 500, 501, 502, 522, 550])
@pytest.mark.parametrize("forced", [False, True], ids=["same", "forced"])
def test_the_second_choice_is_made_for_the_client(
        forced, code, session):
    """EPSV is refused, PASV accepted; the client sees one reply, to EPSV.

    Commands behind EPSV wait. It is logged once, and EPSV is not tried
    again.
    """
    one = session(options=["--server-mode", "passive"] if forced else [])
    for first in True, False:
        far = one.listen(one.ns)
        one.client.command("EPSV", "RETR file")
        if first:
            one.server.expect_command("EPSV")
            one.server.reply(f"{code} no")
        one.server.expect_command("PASV")
        if first:
            assert quiet(one.server), "RETR, though PASV is not answered"
        one.server.reply(f"227 ({far.port_argument()})")
        reply = one.client.expect("229 Entering Extended Passive Mode (|||")
        assert reply.endswith("|).\r\n")
        to = "127.0.0.1", scripted.parse_epsv(reply)
        one.server.expect_command("RETR file")
        one.say("150 go")
        one.transfer(one.dial(to), one.keep(far.accept()))
        one.wait_log(rf"the server does not accept EPSV \({code} no\): "
                     "culvert sends it PASV from now on$")
    assert one.culvert.output.count("from now on") == 1


@pytest.mark.parametrize("code", [425, 500, 501, 502, 522, 550])
@pytest.mark.parametrize("forced", [False, True], ids=["same", "forced"])
def test_the_second_active_choice_is_made_for_the_client(
        forced, code, session):
    """The same with EPRT, then PORT; the reply names the client's command."""
    one = session(options=["--server-mode", "active"] if forced else [])
    for first in True, False:
        mine = one.listen(NEAR)
        one.client.command("EPRT " + eprt_argument("127.0.0.1", mine.port),
                           "RETR file")
        if first:
            refuse(one, ["EPRT"], f"{code} no")
        to = scripted.parse_port(one.server.read_command("PORT"))
        if first:
            assert quiet(one.server), "RETR, though PORT is not answered"
        one.server.reply("200 noted")
        one.client.expect("200 EPRT command successful.\r\n")
        one.server.expect_command("RETR file")
        theirs = one.dial(to, one.ns)
        one.say("150 go")
        one.transfer(one.keep(mine.accept()), theirs)
        one.wait_log(rf"the server does not accept EPRT \({code} no\): "
                     "culvert sends it PORT from now on$")
    assert one.culvert.output.count("from now on") == 1


@pytest.mark.parametrize("command, code", [
    ("EPSV", 227), ("PASV", 229), ("CPSV", 227), ("EPSV 1", 229),
    ("EPSV 2", 227), ("P@SW", 227)])
def test_the_reply_counts(command, code, pair):
    """The reply that came is rewritten, whatever the command was."""
    one = pair()
    far = one.listen(one.ns)
    one.command(command)
    if code == 227:
        one.server.reply(f"227 ({far.port_argument()})")
        to = scripted.parse_port(one.client.expect("227 ("))
    else:
        one.server.reply(f"229 (|||{far.port}|)")
        to = "127.0.0.1", scripted.parse_epsv(one.client.expect("229 ("))
    assert to[1] != far.port
    one.command("RETR file")
    one.say("150 go")
    one.transfer(one.dial(to), one.keep(far.accept()))


def test_a_real_client_falls_back(ns, start_culvert, tmp):
    """curl falls back when EPSV and EPRT are refused."""
    with scripted.server(ns) as listener, Listener(ns) as data:
        tunnel = start_culvert(f"0:127.0.0.1:{listener.port}")

        def serve():
            verbs, to = [], None
            answers = {"USER": "230 in", "PWD": '257 "/"', "TYPE": "200 ok",
                       "SIZE": "213 5", "EPSV": "522 no", "EPRT": "522 no",
                       "QUIT": "221 bye"}
            with listener.accept() as control:
                control.reply("220 scripted")
                while not verbs or verbs[-1] != "QUIT":
                    line = control.read_line().decode().split()
                    verbs.append(line[0] if line else "QUIT")
                    if verbs[-1] == "PASV":
                        control.reply(f"227 ({data.port_argument()})")
                    elif verbs[-1] == "PORT":
                        to = scripted.parse_port(line[1])
                        control.reply("200 ok")
                    elif verbs[-1] == "RETR":
                        control.reply("150 go")
                        with (scripted.dial(*to, side=ns) if to
                              else data.accept()) as wire:
                            wire.send(b"hello")
                        control.reply("226 done")
                    elif line:
                        control.reply(answers.get(verbs[-1], "500 what"))
            return verbs

        to = Target("127.0.0.1", tunnel.port, "tester", "secret")
        for mode, first, second in (("passive", "EPSV", "PASV"),
                                    ("active", "EPRT", "PORT")):
            server = scripted.start(serve)
            result = CLIENTS["curl"].get(to, mode, "file", tmp / mode)
            assert result.status == 0, result.output
            assert (tmp / mode).read_bytes() == b"hello"
            verbs = server.result(20)
            assert verbs.index(first) < verbs.index(second), verbs


# 227 and 229 in every form: only the digits are replaced.

SHAPES_227 = [
    b"227 Entering Passive Mode (%s).\r\n",
    b"227 Entering Passive Mode %s\r\n",
    b"227 =%s\r\n",
    b"227 Entering Passive Mode (%s)\r\n",
    b"227 %s.\r\n",
    b"227 Passive 1,2,3 and 1,2,3,4,5,6,7 and 1,2,3,4,5,256 (%s) then 9\r\n",
    b"227 \xdcbertragung l\xe4uft: \xe2\x86\x92 %s \xff\xff \x01\r\n",
    b"227-Entering Passive Mode (%s)\r\n more\r\n227 End\r\n",
    b"227-Some words\r\n and more\r\n227 (%s)\r\n",
    b"227-Some words\r\n227 (%s)\r\n",
    b"\xff\xfb\x01227 Entering Passive Mode (%s).\r\n",
    b"227 Entering Passive Mode (%s).\n",
]
SHAPES_229 = [
    b"229 Entering Extended Passive Mode (|||%d|)\r\n",
    b"229 Entering Extended Passive Mode (|||%d|).\r\n",
    b"229 Extended (!!!%d!)\r\n",
    b"229 Extended |||%d|\r\n",
    b"229 Extended (|||%d)\r\n",
    b"229 Extended (~~~%d~) 7 8 9\r\n",
    b"229-Extended\r\n229 (|||%d|)\r\n",
    b"229 Extended (|||%d|)\n",
]


def check_shapes(one, command, shapes, announce, near_announce):
    """Each shape is rewritten in place, and the dial goes where it says."""
    for shape in shapes:
        far = one.listen(one.ns)
        one.command(command)
        one.server.send(shape % announce(far))
        before, after = shape.split(b"%d" if b"%d" in shape else b"%s")
        one.client.expect_bytes(before)
        got = b""
        while not got.endswith(after):
            got += one.client.read(1)
        to = near_announce(got[:-len(after)].decode())
        with one.dial(to) as mine, far.accept() as theirs:
            mine.send_to(theirs, b"x")


def test_forms_of_227(pair):
    """Every known form of 227: only the digits change."""
    check_shapes(pair(), "PASV", SHAPES_227,
                 lambda far: far.port_argument().encode(),
                 scripted.parse_port)


def test_a_227_with_blanks_leading_zeros_and_another_host(pair):
    """Blanks and zeros are accepted, and the address is ignored."""
    one = pair()
    for form in "{}, {}, {}, {}, {}, {}", "{:03},{:03},{:03},{:03},{:03},{:03}":
        far = one.listen(one.ns)
        numbers = 10, 9, 8, 7, far.port >> 8, far.port & 255
        one.command("PASV")
        one.server.reply(f"227 ok ({form.format(*numbers)}).")
        reply = one.client.expect("227 ok (127,0,0,1,")
        assert reply.endswith(").\r\n")
        with one.dial(scripted.parse_port(reply)), far.accept() as theirs:
            assert theirs.peer[0] == one.server.peer[0]


def test_forms_of_229(pair):
    """Every known form of 229: only the digits change."""
    check_shapes(pair(), "EPSV", SHAPES_229, lambda far: far.port,
                 lambda text: ("127.0.0.1", int(text)))


unparsable = pytest.mark.parametrize("command, reply", [
    ("PASV", b"227 Passive mode on\r\n"),
    ("PASV", b"227 (1,2,3,4,5)\r\n"),
    ("PASV", b"227 (1,2,3,4,5,6,7)\r\n"),
    ("EPSV", b"229 (|||0|)\r\n"),
    ("EPSV", b"229 (|||65536|)\r\n"),
    ("EPSV", b"229 \xff nothing \x00 here\r\n"),
])


@unparsable
def test_what_cannot_be_parsed_passes(command, reply, session):
    """It goes through byte for byte, with a warning, if nothing else helps.

    Behind it commands that are sent already have their replies in turn, so
    that then nothing else is tried.
    """
    one = session()
    before = ports_of(one.culvert.pid)
    one.command(command)
    one.server.send(reply)
    refuse(one, ["EPSV" if command == "PASV" else "PASV", "PORT", "EPRT"],
           "502 what?")
    one.client.expect_bytes(reply)
    one.wait_log("no address and port")
    until(lambda: ports_of(one.culvert.pid) == before, "our listener closes")
    one.goes_on()

    one.passive(command=command)
    mark = one.culvert.mark()
    one.client.command(command, "NOOP")
    one.server.expect_command(command)
    one.server.expect_command("NOOP")
    one.server.send(reply)
    one.client.expect_bytes(reply)
    one.culvert.wait_log("no address and port", start=mark)
    one.say("200 in step")


@unparsable
def test_instead_of_what_cannot_be_parsed(command, reply, session):
    """Another variant is tried; it works, and is used from then on."""
    one = session()
    for first in True, False:
        far = one.listen(one.ns)
        one.client.command(command)
        if first:
            one.server.expect_command(command)
            one.server.send(reply)
        if command == "PASV":
            one.server.expect_command("EPSV")
            one.server.reply(f"229 (|||{far.port}|)")
            to = scripted.parse_port(one.client.expect(
                "227 Entering Passive Mode (127,0,0,1,"))
        else:
            one.server.expect_command("PASV")
            one.server.reply(f"227 ({far.port_argument()})")
            to = "127.0.0.1", scripted.parse_epsv(one.client.expect(
                "229 Entering Extended Passive Mode (|||"))
        one.command("RETR file")
        one.say("150 go")
        one.transfer(one.dial(to), one.keep(far.accept()))


# Servers compare peers.

@pytest.mark.parametrize("near, far", [
    # That localhost refuses PORT first, see below.
    (near, far) for near, far in WAYS if far != "localhost"])
@modes
def test_one_peer_for_control_and_data(mode, near, far, pair):
    """For the server both connections have the same peer address."""
    one = pair(near, far)
    if mode == "passive":
        listener, to = one.passive()
        mine, theirs = one.dial(to), one.keep(listener.accept())
        assert theirs.name[0] == one.server.name[0]
    else:
        listener, to = one.active()
        assert to[0] == one.server.peer[0]
        one.command("RETR file")
        theirs = one.dial(to, one.ns)
        mine = one.keep(listener.accept())
    assert theirs.peer[0] == one.server.peer[0]
    theirs.send_to(mine, b"x")


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
@modes
def test_servers_that_compare_peers(mode, kind, target, folder):
    """Servers that check the peer's address accept both directions."""
    path, name = folder(kind)
    with Ftp(target(kind)) as control:
        control.store(mode, f"STOR {name}/file", b"peer" * 1000)
        assert control.fetch(mode, f"RETR {name}/file") == b"peer" * 1000
    assert (path / "file").read_bytes() == b"peer" * 1000


@pytest.mark.parametrize("kind", KINDS)
def test_localhost_that_is_ipv6(kind, server, start_culvert):
    """A server on ::1 reached as `localhost`: PORT is repeated as EPRT."""
    one = server(kind, "::1")
    (one.root / "of-localhost").write_bytes(b"content")
    tunnel = start_culvert(f"0:localhost:{one.port}", options=["-vv"])

    to = Target.behind(tunnel, one)
    with Ftp(to) as control:
        for _ in range(2):
            assert control.fetch("active", "RETR of-localhost") == b"content"
        control.command("EPSV")
        port = scripted.parse_epsv(control.expect("229"))
        control.command("RETR of-localhost")
        with scripted.dial("127.0.0.1", port) as data:
            control.expect("1")
            assert data.read_all() == b"content"
        control.expect("226")
    sent = [line for line in tunnel.output.splitlines()
            if "-> PORT" in line or "-> EPRT" in line]
    assert "-> PORT 127,0,0,1," in sent[0] and "-> EPRT |2|::1|" in sent[1]
    assert len(sent) == 3, "what was taken once is tried first"


@pytest.mark.parametrize("code", [425, 500, 501, 522])
def test_port_is_repeated_as_eprt(code, session):
    """The client gets one reply, to its PORT; commands behind PORT wait."""
    one = session("127.0.0.1", "localhost")
    listener = one.listen(NEAR)
    one.client.command(announcement(listener), "RETR file")
    one.server.read_command("PORT")
    one.server.reply(f"{code} not of your family")
    address, port = scripted.parse_eprt(one.server.read_command("EPRT"))
    assert address == "::1"
    assert quiet(one.server), "RETR, though EPRT is not answered"
    one.server.reply("200 noted")
    one.client.expect("200 PORT command successful.\r\n")
    one.server.expect_command("RETR file")
    theirs = one.dial((address, port), one.ns)
    one.say("150 go")
    one.transfer(one.keep(listener.accept()), theirs)
    one.transfer(*one.data("active"))  # EPRT at once


@pytest.mark.parametrize("options, verbs", [
    ([], ["PORT", "EPRT", "EPRT", "EPSV", "PASV"]),
    (["--server-mode", "active"], ["PORT", "EPRT", "EPRT"]),
], ids=["same", "active"])
def test_refused_in_both_variants(options, verbs, session):
    """Both variants are refused: the client sees the first refusal.

    Each is tried for IPv4 and IPv6, because the server may use either.
    """
    one = session("127.0.0.1", "localhost", options=options)
    one.client.command(announcement(one.listen(NEAR)))
    dropped = refuse(one, verbs, "500 not so", "522 nor so")
    one.client.expect("500 not so\r\n")
    assert [to[0] for to in dropped] == ["127.0.0.1", "::1", "127.0.0.1"]
    for to in dropped:
        wait_refused(to, one.ns)
    one.goes_on()


# EPSV ALL.

@pytest.mark.parametrize("kind, code", [
    ("vsftpd", "200"), ("proftpd", "200"), ("pyftpdlib", "2"),
    ("inetutils", "5"), ("pure-ftpd", "2")])
def test_epsv_all_and_real_servers(kind, code, target, folder):
    """EPSV ALL is answered by the server, and EPSV works after it."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        control.exchange("EPSV ALL", code)
        control.command("EPSV")
        reply = control.read_reply()
        if kind == "inetutils" and reply.startswith("5"):
            return
        to = control.peer[0], scripted.parse_epsv(reply)
        control.command(f"RETR {name}/file")
        with scripted.dial(*to) as data:
            control.expect("1")
            assert data.read_all() == b"content"
        control.expect("226")


def test_no_port_by_culvert_after_epsv_all(pair):
    """A refused EPRT is not repeated as PORT after EPSV ALL."""
    one = pair("127.0.0.1", "localhost")
    one.exchange("EPSV ALL", "200 only EPSV from here on")
    listener = one.listen(NEAR)
    one.client.command("EPRT " + eprt_argument("127.0.0.1", listener.port))
    one.server.read_command("EPRT")
    one.say("501 you said EPSV ALL")
    one.goes_on()


def test_epsv_all_answered_by_an_announcement(pair):
    """A 229 to EPSV ALL is rewritten like any 229."""
    one = pair()
    listener = one.listen(one.ns)
    one.command("EPSV ALL")
    one.server.reply(f"229 Fine (|||{listener.port}|)")
    port = scripted.parse_epsv(one.client.expect("229 Fine"))
    assert port != listener.port
    mine = one.dial(("127.0.0.1", port))
    theirs = one.keep(listener.accept())
    one.command("RETR file")
    one.say("150 go")
    one.transfer(mine, theirs)


# LPRT, LPSV; P@SW; PRET.

@pytest.mark.parametrize("command, others", [
    ("LPRT 4,4,127,0,0,1,2,200,1", "EPRT or PORT"),
    ("lpsv", "EPSV or PASV")])
def test_lprt_and_lpsv(command, others, pair):
    """culvert refuses them, and names the commands to use."""
    one = pair()
    one.client.command(command)
    assert one.client.expect("502 ").endswith(
        f": use {others}.\r\n")
    one.goes_on()


def test_pret_and_pasv_of_netscape(pair):
    """PRET passes, and the PASV after it works; P@SW is PASV."""
    one = pair()
    for command in "PASV", "P@SW":
        one.exchange("PRET RETR file", "200 will do")
        far = one.listen(one.ns)
        one.command(command)
        one.server.reply(f"227 ok ({far.port_argument()})")
        mine = one.dial(scripted.parse_port(one.client.expect("227 ok (")))
        one.command("RETR file")
        one.say("150 go")
        one.transfer(mine, one.keep(far.accept()))


# Malformed PORT and EPRT.

MALFORMED = [
    "PORT 127,0,0,256,200,1", "PORT 127,0,0,1,200", "PORT 1,2,3,4,5,6,7",
    "PORT 127,0,0,1,0,0", "PORT", "PORT 127, 0, 0, 1, 200, 1",
    "PORT a,b,c,d,e,f", "EPRT |3|127.0.0.1|5000|", "EPRT |1|127.0.0.1|0|",
    "EPRT |1|127.0.0.1|65536|", "EPRT |1|127.0.0.1|5000", "EPRT",
    "EPRT |1|::1|5000|",
]


def test_malformed_announcements(pair):
    """culvert refuses them with 501 or 522, as a strict server does.

    Some servers accept malformed ones, and would connect to their own
    host.
    """
    one = pair()
    for command in MALFORMED:
        one.client.exchange(command, "522 " if "|3|" in command else "501 ")
    one.goes_on()


def test_malformed_announcements_that_pass(session):
    """With --foreign-port pass they reach the server unchanged."""
    client, server = session(options=["--foreign-port", "pass"])
    for command in MALFORMED:
        code = 522 if "|3|" in command else 501
        client.command(command)
        server.expect_command(command)
        server.reply(f"{code} so not")
        client.expect(f"{code} so not\r\n")


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_announcements_and_real_servers(kind, target):
    """They are refused, and the session continues."""
    with Ftp(target(kind)) as control:
        for command in MALFORMED:
            control.exchange(command, "5")
        control.exchange("PWD", "257")


# The source address of the active connection to the client.

@pytest.mark.parametrize("near", ["127.0.0.1", "127.0.0.2", "::1"])
def test_source_address(near, pair):
    """culvert connects from the address to which the client connected."""
    one = pair(near, "::1" if near == "::1" else "127.0.0.1")
    mine, _ = one.data("active")
    assert mine.peer[0] == near == one.client.peer[0]


def test_passive_is_announced_on_the_same_address(pair):
    """A passive listener is on that address only."""
    one = pair("127.0.0.2")
    listener, to = one.passive()
    assert to[0] == "127.0.0.2"
    assert refused(("127.0.0.1", to[1]))
    one.dial(to)
    listener.accept().close()


def test_lftp_verifies_the_address(target, folder, tmp):
    """lftp with ftp:verify-address accepts an active transfer."""
    path, name = folder("vsftpd")
    (path / "file").write_bytes(b"content")
    lftp = CLIENTS["lftp"]
    to = target("vsftpd")
    result = lftp._run_lines(
        to, "active", "set ftp:verify-address yes", "set ftp:verify-port no",
        f"get {name}/file -o {tmp / 'file'}")
    assert result.status == 0, result.output
    assert (tmp / "file").read_bytes() == b"content"
