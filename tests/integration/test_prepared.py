"""Between PASV or PORT and the transfer; refused connects; IPv6; many sessions.
"""

import contextlib

import pytest

import scripted
from clients import CLIENTS, Target
from process import until
from sessions import WAYS, is_listening, quiet, refused, wait_refused
from scripted import NEAR, Listener
from servers import ALL_KINDS, KINDS
from transfer import Ftp, modes


# REST, ALLO, TYPE between PASV and RETR; all that uses a data connection.

@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_rest_allo_and_type_and_real_servers(
        kind, mode, target, folder):
    """A download from the middle, an upload at the end of a file."""
    path, name = folder(kind)
    content = bytes(range(256)) * 40
    (path / "file").write_bytes(content)
    (path / "up").write_bytes(content[:5000])
    (path / "up").chmod(0o666)
    with Ftp(target(kind)) as control:
        connect = control.prepare(mode)
        for command, code in (("TYPE I", "200"), ("REST 1000", "350")):
            control.exchange(command, code)
        control.command(f"RETR {name}/file")
        with connect() as data:
            control.expect("1")
            assert data.read_all() == content[1000:]
        control.expect("226")

        connect = control.prepare(mode)
        control.exchange("ALLO 5240", "2")
        control.command("REST 5000", f"STOR {name}/up")
        control.expect("350")
        with connect() as data:
            control.expect("1")
            data.send(content[5000:])
            data.half_close()
            control.expect("226")
    assert (path / "up").read_bytes() == content


@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_appe_stou_nlst_and_mlsd_and_real_servers(
        kind, mode, target, folder):
    """Every verb that uses a data connection, where the server knows it."""
    path, name = folder(kind)
    with Ftp(target(kind)) as control:
        control.exchange(f"CWD {name}", "250")
        for command in "APPE log", "APPE log", "STOU":
            with begun(control, mode, command) as data:
                if data:
                    data.send(b"line\n")
                    data.half_close()
                    control.expect("2")
                else:
                    assert command == "STOU"
        assert (path / "log").read_bytes() == b"line\nline\n"
        for command in "LIST", "NLST", "MLSD":
            if (command, kind) == ("MLSD", "inetutils"):
                continue  # behind a STOU it says nothing, directly too
            with begun(control, mode, command) as data:
                if data:
                    # proftpd's 226 waits for the client's end as well.
                    assert b"log" in data.read_all()
                else:
                    assert command == "MLSD"
            if data:
                control.expect("226")


@contextlib.contextmanager
def begun(control, mode, command):
    """Begin a transfer; no data connection if the server refuses the command.

    A data connection that was made before is ended.
    """
    connect = control.prepare(mode)
    control.command(command)
    data = connect() if mode == "passive" else None
    reply = control.read_reply()
    if reply.startswith("1"):
        with data or connect() as data:
            yield data
        return
    assert reply.startswith("5"), reply
    if data:
        data.close()
    yield None



@modes
@pytest.mark.parametrize("command", [
    "STOU", "APPE file", "MLSD", "NLST", "LIST", "SITE DIRLIST x",
    "XSTOR file"])
def test_whatever_says_150_uses_the_connection(command, mode, pair):
    """An unknown verb, too; in both directions, with the 226 after the data.
    """
    one = pair()
    upload = command in ("STOU", "APPE file", "XSTOR file")
    mine, theirs = one.data(mode, command)
    sender, reader = (mine, theirs) if upload else (theirs, mine)
    one.transfer(reader, sender)
    one.goes_on()


@modes
def test_mode_z_is_opaque(mode, pair):
    """Compressed bytes pass unchanged."""
    one = pair()
    one.exchange("MODE Z", "200 deflated")
    mine, theirs = one.data(mode)
    content = bytes(range(256)) * 10
    one.transfer(mine, theirs, content)


@modes
def test_mode_b_keeps_one_connection(mode, pair):
    """Several files, both ways, through one connection; then MODE S."""
    one = pair()
    one.exchange("MODE B", "200 blocks")
    mine, theirs = one.begin(mode, "RETR file")
    one.say("150 go")
    theirs.send_to(mine, b"\x40\0\x04once")
    one.say("250 done, the connection stays")
    for number in range(2):
        block = b"\x40\0\x01%d" % number
        one.exchange(f"RETR file{number}", "125 go on")
        theirs.send_to(mine, block)
        one.say("250 done, the connection stays")
        one.exchange(f"STOR up{number}", "125 go on")
        mine.send_to(theirs, block)
        one.say("250 done, the connection stays")
    one.exchange("RETR last", "125 go on")
    theirs.send(b"\x40\0\0")
    theirs.close()
    assert mine.read_all() == b"\x40\0\0"
    one.say("226 done, closed")
    one.exchange("MODE S", "200 a stream")
    mine, theirs = one.data(mode)
    theirs.close()
    mine.expect_end()
    one.say("226 done")


# A passive connection that the far side refuses.

def has_worked(one):
    """A first passive data connection: only until then is a reply held."""
    one.transfer(*one.data("passive"))


def closed_port(one):
    """Return a far port where nobody listens."""
    with Listener(one.ns, one.far) as listener:
        return listener.port


def announce(one, port):
    """Play a PASV with that port; returns the client's port."""
    one.command("PASV")
    one.server.reply(f"227 ({scripted.port_argument('127.0.0.1', port)})")
    return scripted.parse_port(one.client.expect("227 ("))[1]


def test_refused_before_the_client_comes(pair):
    """The listener closes, so that the client's connect is refused."""
    one = pair()
    has_worked(one)
    port = announce(one, closed_port(one))
    until(lambda: not is_listening(port), "the listener has gone")
    with pytest.raises(ConnectionRefusedError):
        scripted.dial("127.0.0.1", port)
    one.client.command("RETR file")  # it would wait for nobody
    one.client.expect("425 ")
    listener, to = one.passive()  # the next one works
    mine, theirs = one.dial(to), one.keep(listener.accept())
    theirs.send_to(mine, b"x")


def test_refused_after_the_client_has_come(pair):
    """The client's connection is reset."""
    one = pair()
    has_worked(one)
    with Listener(one.ns) as full:
        # A listener whose queue is full answers no SYN: connecting hangs.
        full.sock.listen(0)
        filler = [scripted.dial("127.0.0.1", full.port, side=one.ns)]
        port = announce(one, full.port)
        mine = one.dial(("127.0.0.1", port))
        assert quiet(mine), "as long as it is not decided"
    mine.expect_reset()  # the next SYN has found nobody
    for wire in filler:
        wire.close()
    one.goes_on()


# IPv6 near or far.

@modes
@pytest.mark.parametrize("near, far", WAYS)
@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_families_on_either_leg(
        command, near, far, mode, pair, session):
    """Any family near and far, also a localhost that is ::1."""
    if far == "localhost":
        one = session(near, far)
        mine, theirs = localhost_data(one, mode, command)
    else:
        one = pair(near, far)
        mine, theirs = one.data(mode, command)
    sender, reader = (theirs, mine) if command.startswith("RETR") \
        else (mine, theirs)
    one.transfer(reader, sender)


def localhost_data(one, mode, command):
    """Like Session.data(), with a PORT that is refused at first."""
    if mode == "active":
        listener = one.listen(NEAR)
        one.client.command(
            "PORT " + scripted.port_argument("127.0.0.1", listener.port))
        one.server.read_command("PORT")
        one.server.reply("425 this is IPv6")
        to = scripted.parse_eprt(one.server.read_command("EPRT"))
        one.server.reply("200 noted")
        one.client.expect("200 PORT command successful.\r\n")
        one.command(command)
        theirs = one.dial(to, one.ns)
        mine = one.keep(listener.accept())
    else:
        mine, theirs = one.begin(mode, command)
    one.say("150 go")
    return mine, theirs


@pytest.mark.parametrize("near, far", [
    ("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("::1", "localhost")])
@modes
@pytest.mark.parametrize("kind", KINDS)
def test_families_and_real_servers(
        kind, mode, near, far, server, start_culvert, folder, tmp):
    """curl, with EPSV and EPRT first, from one family to another."""
    address = "127.0.0.1" if far == "127.0.0.1" else "::1"
    path, name = folder(kind, address)
    one = server(kind, address)
    forward = "{}:0:{}:{}".format(
        *(f"[{word}]" if ":" in word else word for word in (near, far)),
        one.port)
    tunnel = start_culvert(forward)
    to = Target(near, tunnel.port, one.user, one.password)
    (tmp / "up").write_bytes(b"content" * 5000)
    result = CLIENTS["curl"].put(to, mode, tmp / "up", f"{name}/file")
    assert result.status == 0, result.output
    assert (path / "file").read_bytes() == b"content" * 5000
    result = CLIENTS["curl"].get(to, mode, f"{name}/file", tmp / "down")
    assert result.status == 0, result.output
    assert (tmp / "down").read_bytes() == b"content" * 5000


# Several sessions, and several -L, at once.

@pytest.mark.parametrize("kind", KINDS)
def test_several_sessions_at_once(kind, target, folder):
    """Eight sessions in both modes, each with its own file."""
    path, name = folder(kind)
    content = {number: bytes([number]) * (1 << 20) for number in range(8)}
    for number, each in content.items():
        (path / str(number)).write_bytes(each)
    to = target(kind)

    def run(number):
        with Ftp(to) as control:
            for round_ in range(3):
                mode = ("active", "passive")[(number + round_) % 2]
                assert control.fetch(mode, f"RETR {name}/{number}") \
                    == content[number]

    running = [scripted.start(run, number) for number in content]
    for one in running:
        one.result(60)


def test_several_listeners_at_once(server, start_culvert, folder):
    """One culvert, five -L, each for another server, all in use."""
    forwards, paths = [], []
    for kind in ALL_KINDS:
        path, name = folder(kind)
        (path / "file").write_bytes(kind.encode())
        paths.append(f"{name}/file")
        forwards.append(f"ftp/0:127.0.0.1:{server(kind).port}")
    tunnel = start_culvert(*forwards)
    with contextlib.ExitStack() as stack:
        controls = [stack.enter_context(Ftp(
            Target(host, port, "tester", "secret")))
                    for host, port in tunnel.listeners]
        for mode in "active", "passive":
            ends = [control.prepare(mode) for control in controls]
            for control, path in zip(controls, paths):
                control.command(f"RETR {path}")
            for kind, control, connect in zip(ALL_KINDS, controls, ends):
                with connect() as data:
                    control.expect("1")
                    assert data.read_all() == kind.encode()
                control.expect("226")


# One passive port for all transfers of a session.

def test_the_same_far_port_again(pair):
    """aioftp announces one port for all; each PASV makes a data connection."""
    one = pair()
    far = one.listen(one.ns)
    seen = set()
    for _ in range(3):
        _, to = one.passive(far)
        seen.add(to)
        mine = one.dial(to)
        theirs = one.keep(far.accept())
        one.command("RETR file")
        one.say("150 go")
        one.transfer(mine, theirs)
        assert refused(to), "one connection only"


# REIN and a new USER close what was prepared.

@modes
@pytest.mark.parametrize("command, reply", [
    ("REIN", "220 ready for a new user"), ("USER other", "331 password?")])
def test_a_new_user_closes_what_was_prepared(
        command, reply, mode, pair):
    """The listener closes; a refused USER closes nothing."""
    one = pair()
    if mode == "active":
        _, to = one.active()
        side = one.ns
    else:
        listener, to = one.passive()
        listener.accept().close()
        listener, to = one.passive()
        side = NEAR
    one.exchange(command, reply)
    wait_refused(to, side)
    one.exchange("ACCT money", "332 more")
    one.transfer(*one.data(mode))


def test_a_refused_user_closes_nothing(pair):
    """530 to USER: the passive listener stays open."""
    one = pair()
    listener, to = one.passive()
    one.exchange("USER other", "530 not you")
    mine, theirs = one.dial(to), one.keep(listener.accept())
    one.command("RETR file")
    one.say("150 go")
    one.transfer(mine, theirs)


def test_host_before_user_and_acct(pair):
    """HOST comes before USER, ACCT after PASS; both pass."""
    one = pair(log_in=False)
    one.say("220 scripted")
    one.exchange("HOST ftp.example.com", "220 that one")
    one.exchange("USER tester", "331 password?")
    one.exchange("PASS secret", "332 account?")
    one.exchange("ACCT money", "230 in")
    assert "secret" not in one.culvert.output
    assert "money" not in one.culvert.output
    one.transfer(*one.data("passive"))


@pytest.mark.parametrize("kind", ["vsftpd", "proftpd", "pyftpdlib"])
def test_a_new_user_with_real_servers(kind, target, folder):
    """A prepared transfer, then USER, then a complete one."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    to = target(kind)
    with Ftp(to) as control:
        control.prepare("passive")
        control.command(f"USER {to.user}")
        reply = control.read_reply()
        if reply.startswith("331"):
            control.exchange(f"PASS {to.password}", "230")
        control.exchange("TYPE I", "200")
        assert control.fetch("passive", f"RETR {name}/file") == b"content"
        assert control.fetch("active", f"RETR {name}/file") == b"content"
