"""Data connections: first replies, ends, unused ones, long transfers."""

import array
import fcntl
import termios
import time

import pytest

import scripted
from process import FAILSAFE, until
from sessions import is_listening, quiet, within
from scripted import NEAR, Listener, announcement
from servers import ALL_KINDS
from transfer import Ftp, modes


def readable(wire):
    """Return how many bytes our kernel holds for us."""
    count = array.array("i", [0])
    fcntl.ioctl(wire.sock, termios.FIONREAD, count)
    return count[0]


# 150 before the data connection, after it, as 125, or never.

@modes
@pytest.mark.parametrize("replies", [["150 go"], ["125 go on"], []])
def test_the_first_reply_after_the_data_connection(
        replies, mode, pair):
    """150, 125 or nothing, once the data connection is made."""
    one = pair()
    mine, theirs = one.begin(mode, "RETR file")
    for reply in replies:
        one.say(reply)
    one.transfer(mine, theirs)
    one.goes_on()


def test_passive_150_passes_before_the_client_connects(pair):
    """In passive mode the 150 passes as it comes."""
    one = pair()
    listener, to = one.passive()
    one.command("RETR file")
    one.say("150 go")
    mine, theirs = one.dial(to), one.keep(listener.accept())
    one.transfer(mine, theirs)


def test_active_150_and_226_are_held(pair):
    """They overtake the data connection, and wait for it."""
    one = pair()
    listener, to = one.active()
    one.command("RETR file")
    one.server.reply("150 go", "226 done")
    assert quiet(one.client), "not before the data connection"
    theirs = one.dial(to, one.ns)
    mine = one.keep(listener.accept())
    one.client.expect("150 go\r\n")
    assert quiet(one.client), "not before the data has been delivered"
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.client.expect("226 done\r\n")
    one.goes_on()


def test_active_replies_are_held_for_a_bounded_time(pair):
    """A server that says 226 and never connects: an empty listing."""
    one = pair()
    one.active()
    one.command("LIST")
    with within(4):
        one.server.reply("150 go", "226 nothing to list")
        one.client.expect("150 go\r\n")
        one.client.expect("226 nothing to list\r\n")
    one.goes_on()


@pytest.mark.parametrize("server_mode, code", [
    ("same", 426), ("same", 450), ("same", 550),
    ("active", 425), ("active", 450), ("active", 550)])
def test_a_refusal_is_not_held(server_mode, code, session):
    """4xx and 5xx pass at once, without a data connection."""
    one = session(options=["--server-mode", server_mode])
    one.active()
    one.command("RETR file")
    with within(0.7):
        one.say(f"{code} no")
    one.goes_on()


@pytest.mark.parametrize("variant", ["EPSV", "PASV"])
def test_a_425_leads_to_passive_mode(variant, session):
    """The server cannot connect: the transfer is repeated in passive mode.

    The client sees only the replies to that; the mode is remembered.
    """
    one = session()
    mine = one.listen(NEAR)
    one.active(mine)
    one.exchange("REST 3", "350 from there")
    one.command("RETR file")
    one.server.reply("425 cannot connect")
    theirs = take_passive(one, variant)
    one.server.expect_command("REST 3")
    one.server.reply("350 from there")
    one.server.expect_command("RETR file")
    one.say("150 go")
    one.transfer(one.keep(mine.accept()), one.keep(theirs.accept()))
    one.wait_log("active mode does not work with the server "
                 r"\(425 cannot connect\): translated to passive mode")

    mine = one.listen(NEAR)
    one.client.command(announcement(mine), "RETR file")
    theirs = take_passive(one, variant, known=True)
    one.client.expect("200 PORT command successful.\r\n")
    one.server.expect_command("RETR file")
    one.say("150 go")
    one.transfer(one.keep(mine.accept()), one.keep(theirs.accept()))
    assert one.culvert.output.count("translated to") == 1


def take_passive(one, variant, known=False):
    """Take culvert's own EPSV, or PASV behind an EPSV; the listener."""
    if variant == "PASV" and not known:
        one.server.expect_command("EPSV")
        one.server.reply("502 what?")
    listener = one.listen(one.ns)
    one.server.expect_command(variant)
    one.server.reply(f"229 (|||{listener.port}|)" if variant == "EPSV"
                     else f"227 ({listener.port_argument()})")
    return listener


def test_a_425_and_no_passive_mode(session):
    """Passive mode is refused, too: the client gets the 425 at once."""
    one = session()
    _, to = one.active()
    one.command("RETR file")
    with within(0.7):
        one.server.reply("425 cannot connect")
        for command in "EPSV", "PASV":
            one.server.expect_command(command)
            one.server.reply("502 what?")
        one.client.expect("425 cannot connect\r\n")
    one.goes_on()
    one.transfer(*one.data("active"))  # nothing else was better


def test_the_client_takes_no_data_connection(pair):
    """Its port is closed: the 226 becomes a refusal, the session lives."""
    one = pair()
    listener, to = one.active()
    listener.close()
    one.command("RETR file")
    theirs = one.dial(to, one.ns)
    one.server.reply("150 go")
    theirs.read_all()  # it is not left waiting
    one.server.reply("226 done")
    replies = one.client.read_reply()
    if replies.startswith("1"):
        replies = one.client.read_reply()
    assert replies.startswith("42"), replies
    one.goes_on()


def test_a_server_that_connects_at_port_time(pair):
    """pyftpdlib: the data connection first, the 200 only then."""
    one = pair()
    listener = one.listen(NEAR)
    one.client.command(announcement(listener))
    theirs = one.dial(one.announced(), one.ns)
    mine = one.keep(listener.accept())
    one.say("200 connected")
    one.command("RETR file")
    one.say("125 go")
    one.transfer(mine, theirs)


# Half-close, zero-byte files, the end at once.

@modes
def test_half_close_on_upload(mode, pair):
    """The client ends its direction; the server's bytes still arrive."""
    one = pair()
    mine, theirs = one.data(mode, "STOR file")
    mine.send(b"content")
    mine.half_close()
    assert theirs.read_all() == b"content"
    one.transfer(mine, theirs, b"a receipt")
    one.goes_on()


@modes
@pytest.mark.parametrize("command", ["RETR empty", "STOR empty"])
def test_zero_byte_files(command, mode, pair):
    """A connection that opens and closes."""
    one = pair()
    mine, theirs = one.data(mode, command)
    (theirs if command.startswith("RETR") else mine).close()
    (mine if command.startswith("RETR") else theirs).expect_end()
    one.say("226 done")
    one.goes_on()


@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_zero_byte_files_and_real_servers(
        kind, mode, target, folder):
    """Both directions, and a listing of an empty directory."""
    path, name = folder(kind)
    with Ftp(target(kind)) as control:
        # pure-ftpd lists . and .., inetutils says 550.
        if kind not in ("pure-ftpd", "inetutils"):
            assert control.fetch(mode, f"NLST {name}/") == b""
        control.store(mode, f"STOR {name}/empty", b"")
        assert (path / "empty").read_bytes() == b""
        assert control.fetch(mode, f"RETR {name}/empty") == b""


@modes
def test_the_end_comes_at_once(mode, pair):
    """All bytes and FIN arrive before the 226."""
    one = pair()
    mine, theirs = one.data(mode)
    content = bytes(1 << 20)
    scripted.start(lambda: (theirs.send(content), theirs.close()))
    with within(2):
        assert mine.read_all() == content
    assert quiet(one.client)
    one.say("226 done")


@modes
def test_the_226_overtakes_the_data(mode, pair):
    """The data all arrive, then FIN, never RST."""
    one = pair()
    mine, theirs = one.data(mode, rcvbuf=4096)
    content = bytes(range(256)) * 8192  # 2 MiB
    one.server.reply("226 done")
    one.server.wait_taken()
    sender = scripted.start(lambda: (theirs.send(content), theirs.close()))
    assert quiet(one.client), "the 226 waits for the data"
    assert mine.read_all() == content
    sender.result(FAILSAFE)
    one.client.expect("226 done\r\n")
    one.goes_on()


@modes
def test_a_slow_client(mode, pair):
    """1,000 bytes a second: the 226 is held until the last byte is out."""
    one = pair()
    mine, theirs = one.data(mode, rcvbuf=2304)
    total, got = 5000, 0
    theirs.send(bytes(total))
    theirs.close()
    one.server.reply("226 done")
    while got + readable(mine) < total:
        assert quiet(one.client, 0), f"226 after {got} + {readable(mine)}"
        got += len(mine.sock.recv(1000))
        assert got < total
        time.sleep(1)  # the slow client
    one.client.expect("226 done\r\n")
    assert len(mine.read_all()) == total - got


@modes
def test_a_slow_client_of_a_real_server(mode, target, folder):
    """The same with vsftpd, and a file that fills no buffer of its own."""
    path, name = folder("vsftpd")
    (path / "file").write_bytes(bytes(8000))
    with Ftp(target("vsftpd")) as control, \
            Listener(NEAR, rcvbuf=2304) as listener:
        if mode == "active":
            control.exchange(announcement(listener), "200")
            control.command(f"RETR {name}/file")
            mine = listener.accept()
        else:
            control.command("PASV")
            to = scripted.parse_port(control.expect("227"))
            mine = scripted.dial(*to, rcvbuf=2304)
            control.command(f"RETR {name}/file")
        with mine:
            control.expect("150")
            got = 0
            while got + readable(mine) < 8000:
                assert quiet(control, 0)
                got += len(mine.sock.recv(500))
                time.sleep(0.1)
            control.expect("226")
            assert len(mine.read_all()) == 8000 - got


# A data connection never used.

@modes
def test_pasv_never_used(mode, pair):
    """PASV or PORT, then MKD, then QUIT: nothing is left."""
    one = pair()
    if mode == "passive":
        listener, (_, port) = one.passive()
        theirs = one.keep(listener.accept())
        one.exchange("MKD there", "257 made")
        assert is_listening(port)
    else:
        _, (_, port) = one.active()
        one.exchange("MKD there", "257 made")
        assert one.ns.listening(port, "127.0.0.1")
    one.exchange("QUIT", "221 bye")
    one.server.close()
    one.client.expect_end()
    if mode == "passive":
        theirs.read_all()
        until(lambda: not is_listening(port), "the listener has gone")
    else:
        until(lambda: not one.ns.listening(port, "127.0.0.1"),
              "the forward has gone")


def test_other_commands_leave_what_was_prepared(pair):
    """PASV, MKD, TYPE, a 550: the listener is still used."""
    one = pair()
    listener, to = one.passive()
    theirs = one.keep(listener.accept())
    one.exchange("MKD there", "257 made")
    one.exchange("RETR nothing", "550 no")
    one.exchange("TYPE I", "200 ok")
    mine = one.dial(to)
    one.command("RETR file")
    one.say("150 go")
    one.transfer(mine, theirs)


@pytest.mark.parametrize("first, second", [
    ("passive", "passive"), ("passive", "active"), ("active", "passive"),
    ("active", "active")])
def test_the_last_request_counts(first, second, pair):
    """Two PASV in a row, PORT after PASV, PASV after PORT."""
    one = pair()
    if first == "passive":
        listener, (_, port) = one.passive()
        theirs = one.keep(listener.accept())
    else:
        _, (_, port) = one.active()
    mine, other = one.data(second)
    if first == "passive":
        until(lambda: not is_listening(port), "the first one has gone")
        theirs.expect_end()
    else:
        until(lambda: not one.ns.listening(port, "127.0.0.1"),
              "the first one has gone")
    one.transfer(mine, other)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_last_request_counts_and_real_servers(kind, target, folder):
    """The same four, then a listing never fetched, then QUIT."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        for first in "passive", "active":
            for second in "passive", "active":
                connect = control.prepare(first)
                control.exchange("MKD " + f"{name}/{first}-{second}", "257")
                assert control.fetch(second, f"RETR {name}/file") \
                    == b"content"
                del connect
                (path / f"{first}-{second}").rmdir()
        control.prepare("passive")
        control.exchange("QUIT", "221")
        control.read_all()


@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_550_with_a_connected_client(kind, mode, target, folder):
    """The client sees what the server does with its data connection.

    vsftpd, pure-ftpd, pyftpdlib and inetutils keep it for the next
    command; proftpd ends it. In active mode only pyftpdlib has connected
    by then.
    """
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        connect = control.prepare(mode)
        if mode == "active" and kind != "pyftpdlib":
            control.exchange(f"RETR {name}/nothing", "550")
            control.command(f"RETR {name}/file")
            if kind == "proftpd":  # it has forgotten the PORT
                control.read_reply()
                connect.args[0].close()
                return
            with connect() as data:
                control.expect("1")
                assert data.read_all() == b"content"
            control.expect("226")
            return
        with connect() as data:
            control.exchange(f"RETR {name}/nothing", "550")
            if kind == "proftpd":
                try:
                    assert data.read_all() == b""
                except ConnectionResetError:
                    pass
            else:
                assert quiet(data), "it stays open"
                control.exchange(f"RETR {name}/file", "1")
                assert data.read_all() == b"content"
                control.expect("226")
        assert control.fetch(mode, f"RETR {name}/file") == b"content"


@pytest.mark.parametrize("how", ["keeps", "ends", "resets"])
def test_550_is_mirrored(how, pair):
    """Kept, ended or reset, as by the server."""
    one = pair()
    listener, to = one.passive()
    mine, theirs = one.dial(to), one.keep(listener.accept())
    one.command("RETR nothing")
    if how == "ends":
        theirs.close()
        mine.expect_end()
    elif how == "resets":
        theirs.reset()  # SSH makes an end of it
        try:
            mine.read_all()
        except ConnectionResetError:
            pass
    one.say("550 no")
    if how == "keeps":
        assert quiet(mine)
        one.command("RETR file")
        one.say("125 go")
        one.transfer(mine, theirs)
    one.goes_on()


# No PORT and no PASV at all.

@pytest.mark.parametrize("kind", ALL_KINDS)
def test_no_port_and_no_pasv(kind, target, folder):
    """The client gets the server's refusal, and the session lives."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        control.command(f"RETR {name}/file")
        reply = control.read_reply()
        # Some say 150 and then that they cannot connect; pyftpdlib
        # waits for a PASV to come.
        if reply.startswith("1") and kind != "pyftpdlib":
            reply = control.read_reply()
        assert reply[0] == "4" or kind == "pyftpdlib", reply
        if kind != "pyftpdlib":
            assert control.fetch("passive", f"RETR {name}/file") \
                == b"content"


def test_425_passes(pair):
    """A scripted 425 passes at once."""
    one = pair()
    with within(1):
        one.exchange("RETR file", "425 use PORT or PASV first")
    one.goes_on()


# Control during long transfers.

@modes
def test_idle_control_and_a_slow_download(mode, pair):
    """Three seconds of single bytes: no reply on control."""
    one = pair()
    mine, theirs = one.data(mode)
    for number in range(6):
        theirs.send(bytes([number]))
        mine.expect_bytes(bytes([number]))
        assert quiet(one.client, 0.5)
    theirs.close()
    mine.expect_end()
    one.say("226 done")
    one.goes_on()


@modes
def test_noop_and_stat_in_a_transfer(mode, pair):
    """Answered at once, or after the transfer, as by the server."""
    one = pair()
    mine, theirs = one.data(mode)
    one.exchange("NOOP", "200 alive")
    one.command("STAT")
    one.server.reply("213-Status", " 5 bytes", "213 End")
    one.client.expect("213-Status\r\n 5 bytes\r\n213 End\r\n")
    one.client.command("NOOP", "STAT")
    one.server.expect_command("NOOP")
    one.server.expect_command("STAT")
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.server.reply("226 done", "200 alive", "211 idle")
    for reply in "226 done", "200 alive", "211 idle":
        one.client.expect(f"{reply}\r\n")
    one.goes_on()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_noop_in_a_transfer_and_real_servers(kind, target, folder):
    """NOOP while a download stands still: every reply comes, in any order.

    pure-ftpd answers 500 to every command but ABOR.
    """
    path, name = folder(kind)
    size = 8 << 20
    (path / "file").write_bytes(bytes(size))
    commands, codes = ["NOOP", "PWD"], ["200", "226", "257"]
    if kind == "pure-ftpd":
        commands, codes = ["NOOP"], ["226", "500"]
    with Ftp(target(kind)) as control:
        connect = control.prepare("passive")
        control.command(f"RETR {name}/file")
        with connect() as data:
            control.expect("1")
            data.read(1)
            control.command(*commands)
            assert len(data.read_all()) == size - 1
        assert sorted(control.read_reply()[:3] for _ in codes) == codes
        for mode in "active", "passive":
            assert len(control.fetch(mode, f"RETR {name}/file")) == size
