"""The ranked list of FTP.md: transfers that end before their time."""

import contextlib
import socket

import pytest

import scripted
from clients import BEGUN
from process import FAILSAFE, until
from ranked import fetch, logged_in, prepare, quiet, store, within
from servers import KINDS, MORE_KINDS

pytest_plugins = ["ranked"]

ALL = [*KINDS, *MORE_KINDS]
modes = pytest.mark.parametrize("mode", ["active", "passive"])

# Culvert gives the server 300 ms to see the ABOR; directly they take 12 s.
PROMPT = 2

IAC, IP, DM = b"\xff", b"\xf4", b"\xf2"


def abor_alone(control):
    """ABOR, with nothing before it: curl's way."""
    control.send(b"ABOR\r\n")


def abor_tnftp(control):
    """Tnftp, inetutils and Net::FTP: the IAC before DM is urgent."""
    control.send_urgent(IAC + IP + IAC)
    control.send(DM + b"ABOR\r\n")


def abor_lftp(control):
    """Lftp: DM alone is urgent."""
    control.send(IAC + IP + IAC)
    control.send_urgent(DM)
    control.send(b"ABOR\r\n")


ABORS = [abor_alone, abor_tnftp, abor_lftp]


def settle(control, kind, aborted=True):
    """Read the replies to a cut transfer, and to its ABOR.

    Fails if it seems complete, or if the session does not live on, but for
    inetutils: it dies of SIGPIPE when its data connection is ended while it
    writes (SSH makes FIN and RST of it).  Returns whether it lives.
    """
    cut = "426", "451", "450"
    if kind == "pure-ftpd" and not aborted:
        cut += ("150",)  # its only answer to a reset, without culvert too
    reply = control.read_reply()
    assert reply.startswith(cut), reply
    control.command("PWD")
    codes = []
    while True:
        reply = control.read_reply()
        if reply.startswith("257"):
            break
        if not reply and kind == "inetutils":
            return False
        assert reply, f"the end of file after {codes}"
        codes.append(reply[:3])
    allowed = "225", "226", "426", "451"
    if kind == "pure-ftpd":
        allowed += ("150",)
    assert len(codes) <= 2 and set(codes) <= set(allowed), codes
    return True


def drain(data):
    """Read to whatever end there is."""
    count(data)


def count(data):
    """Return how many bytes there are to whatever end."""
    total = 0
    with contextlib.suppress(ConnectionError):
        while got := data.sock.recv(1 << 18):
            total += len(got)
    return total


# 10. ABOR, with and without Telnet IP and Synch.

@modes
@pytest.mark.parametrize("kind", ALL)
def test_item_10_abor_in_a_download(kind, mode, target, folder):
    """All three forms, at a large file; then the session goes on."""
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    (path / "small").write_bytes(b"content")
    with logged_in(target(kind)) as control:
        for abor in ABORS:
            connect = prepare(control, mode)
            control.command(f"RETR {name}/huge")
            with connect() as data:
                control.expect("1")
                data.read(BEGUN)
                # Clients read on to the end, or close at once.
                reader = scripted.start(drain, data)
                with within(PROMPT):
                    abor(control)
                    if abor is abor_lftp:
                        data.sock.shutdown(socket.SHUT_RDWR)
                    lives = settle(control, kind, abor is not abor_lftp)
                reader.result(FAILSAFE)
            if not lives:
                return
            assert fetch(control, mode, f"RETR {name}/small") == b"content"


@modes
@pytest.mark.parametrize("kind", ALL)
def test_item_10_abor_in_an_upload(kind, mode, target, folder):
    """The data connection held open, or closed: no 226 for the part."""
    path, name = folder(kind)
    with logged_in(target(kind)) as control:
        for number, abor in enumerate(ABORS):
            connect = prepare(control, mode)
            control.command(f"STOR {name}/part{number}")
            with connect() as data:
                control.expect("1")
                data.send(bytes(100_000))
                until((lambda: (path / f"part{number}").exists()
                       and data.unsent() == 0), "the upload runs")
                with within(PROMPT):
                    abor(control)
                    if abor is abor_lftp:
                        data.close()
                    settle(control, kind)
            store(control, mode, f"STOR {name}/whole", b"content")
            assert (path / "whole").read_bytes() == b"content"


@modes
@pytest.mark.parametrize("kind", ALL)
def test_item_10_abor_of_a_client_that_does_not_read(
        kind, mode, target, folder):
    """Like ftplib's abort(): the data connection is full by then.

    pure-ftpd does not look up before it can write again.
    """
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    with logged_in(target(kind)) as control:
        control.sock.settimeout(PROMPT)
        connect = prepare(control, mode)
        control.command(f"RETR {name}/huge")
        with connect() as data:
            control.expect("1")
            data.read(BEGUN)
            with within(PROMPT):
                abor_alone(control)
                settle(control, kind)


@pytest.mark.parametrize("abor", ABORS)
def test_item_10_every_byte_of_an_abor_arrives(abor, pair):
    """Urgent or not, none is lost and none is added."""
    one = pair()
    mine, theirs = one.data("passive")
    theirs.send(b"part")
    mine.expect_bytes(b"part")
    abor(one.client)
    wanted = b"ABOR\r\n" if abor is abor_alone else \
        IAC + IP + IAC + DM + b"ABOR\r\n"
    with within(0.3):
        one.server.expect_bytes(wanted)
    theirs.close()
    one.server.reply("426 cut", "226 aborted")
    one.client.expect("426 cut\r\n")
    one.client.expect("226 aborted\r\n")
    one.goes_on()


@modes
def test_item_10_a_server_that_looks_up_late(mode, pair):
    """After 300 ms its data connection is ended, and it answers then."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send(b"part")
    mine.expect_bytes(b"part")
    with within(PROMPT):
        abor_alone(one.client)
        try:
            while True:  # it sends until it cannot
                theirs.send(bytes(1 << 16))
        except (ConnectionError, TimeoutError):
            pass
        one.server.expect_command("ABOR")
        one.server.reply("426 cut", "225 aborted")
        one.client.expect("426 cut\r\n")
        one.client.expect("225 aborted\r\n")
    drain(mine)
    one.goes_on()


def test_item_10_a_client_that_reads_on_after_abor(pair):
    """It is sent what the server sends, so that this does not stand still.

    pure-ftpd loses the ABOR if its data connection is ended before it has
    read it.  How much comes in 300 ms depends on the machine: the best of five
    is more than what is read for a client that reads no more.
    """
    one, most = pair(), 0
    for _ in range(5):
        mine, theirs = one.data("passive")
        reader = scripted.start(count, mine)
        abor_alone(one.client)
        with contextlib.suppress(ConnectionError, TimeoutError):
            theirs.send(bytes(64 << 20))
        one.server.expect_command("ABOR")
        theirs.close()
        one.server.reply("426 cut", "226 aborted")
        one.client.expect("426 cut\r\n")
        one.client.expect("226 aborted\r\n")
        most = max(most, reader.result(FAILSAFE))
        if most > 9 << 20:
            break
    assert most > 9 << 20, most
    one.goes_on()


def test_item_10_abor_without_a_transfer(pair):
    """It passes; before and after it all is as ever."""
    one = pair()
    one.exchange("ABOR", "226 nothing to abort")
    listener, to = one.passive()
    one.exchange("ABOR", "225 nothing to abort")
    mine, theirs = one.data("passive")
    theirs.close()
    mine.expect_end()
    one.server.reply("226 done")
    one.client.expect("226 done\r\n")


@pytest.mark.parametrize("kind", ALL)
def test_item_10_abor_without_a_transfer_and_real_servers(
        kind, target, folder):
    """The server's answer, and the session goes on."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with logged_in(target(kind)) as control:
        control.command("ABOR")
        control.expect("22")
        prepare(control, "passive")
        control.command("ABOR")
        control.expect("22")
        assert fetch(control, "passive", f"RETR {name}/file") == b"content"


# 11. An early end, from either part.

@modes
@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_item_11_the_client_ends_its_download(
        how, kind, mode, target, folder):
    """The server is told at once, answers 426 or 451; the session lives."""
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    with logged_in(target(kind)) as control:
        connect = prepare(control, mode)
        control.command(f"RETR {name}/huge")
        data = connect()
        control.expect("1")
        data.read(BEGUN)
        with within(PROMPT):
            getattr(data, how)()
            lives = settle(control, kind, aborted=False)
        (path / "small").write_bytes(b"content")
        if lives:
            assert fetch(control, mode, f"RETR {name}/small") == b"content"


@modes
def test_item_11_the_server_sees_the_clients_early_end(mode, pair):
    """It cannot send on for long."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send(b"part of it")
    mine.expect_bytes(b"part of it")
    mine.reset()
    with within(PROMPT), pytest.raises(ConnectionError):
        while True:
            theirs.send(bytes(1 << 16))
    one.server.reply("426 cut")
    one.client.expect("426 cut\r\n")
    one.goes_on()


@modes
@pytest.mark.parametrize("first", ["reply", "data"])
def test_item_11_the_server_ends_an_upload(first, mode, pair):
    """552: the client's data connection is reset, the reply passes."""
    one = pair()
    mine, theirs = one.data(mode, "STOR file")
    mine.send(b"part of it")
    theirs.expect_bytes(b"part of it")
    with within(PROMPT):
        if first == "reply":
            one.server.reply("552 disk full")
            one.client.expect("552 disk full\r\n")
            theirs.close()
        else:
            theirs.close()
            one.server.reply("552 disk full")
            one.client.expect("552 disk full\r\n")
        with pytest.raises(ConnectionError):
            while True:
                mine.send(bytes(1 << 16))
    one.goes_on()


# 14. QUIT behind a running transfer.

@modes
@pytest.mark.parametrize("kind", ALL)
def test_item_14_quit_behind_retr(kind, mode, target, folder):
    """All the data, the 226 and the 221, then the end."""
    path, name = folder(kind)
    size = 4 << 20
    (path / "file").write_bytes(bytes(size))
    with logged_in(target(kind)) as control:
        connect = prepare(control, mode)
        control.command(f"RETR {name}/file")
        with connect() as data:
            control.expect("1")
            data.read(1)
            control.command("QUIT")
            got = len(data.read_all()) + 1
        if kind == "pure-ftpd":  # to it QUIT is an ABOR, or nothing
            control.command("QUIT")
        codes = [line[:4] for line in control.read_all().splitlines()]
    assert b"221 " in codes, codes
    if kind == "pure-ftpd" and b"426 " in codes:
        return
    assert b"226 " in codes and got == size, (codes, got)


@modes
def test_item_14_quit_while_a_transfer_runs(mode, pair):
    """A 221 before the 226, as pyftpdlib says it: nothing is cut."""
    one = pair()
    mine, theirs = one.data(mode)
    one.client.command("QUIT")
    one.server.expect_command("QUIT")
    one.server.reply("221 when it is done")
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.server.reply("226 done")
    one.server.close()
    replies = one.client.read_all()
    assert sorted(replies.splitlines()) == \
        [b"221 when it is done", b"226 done"]


@modes
def test_item_14_the_226_comes_long_after_the_data(mode, pair):
    """QUIT waits behind it; the end of the data is not the session's."""
    one = pair()
    mine, theirs = one.data(mode)
    one.client.command("QUIT")
    one.server.expect_command("QUIT")
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    mine.close()
    assert quiet(one.client, 1)
    one.server.reply("226 done", "221 bye")
    one.server.close()
    one.client.expect("226 done\r\n")
    one.client.expect("221 bye\r\n")
    one.client.expect_end()


@modes
@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_item_14_the_server_closes_control_in_mid_transfer(
        command, mode, pair):
    """The client is told: a reset, no 2xx, and the end."""
    one = pair()
    mine, theirs = one.data(mode, command)
    if command == "RETR file":
        theirs.send(b"part")
        mine.expect_bytes(b"part")
    else:
        mine.send(b"part")
        theirs.expect_bytes(b"part")
    with within(PROMPT):
        one.server.close()
        mine.expect_reset()
        text = one.client.read_all()
    assert text.startswith(b"426") and b"\n2" not in text, text
    drain(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_item_14_a_script_that_half_closes_control(kind, target, folder):
    """Like nc: an upload whose control connection is half-closed."""
    path, name = folder(kind)
    to = target(kind)
    with logged_in(to) as control:
        connect = prepare(control, "active")
        control.command(f"STOR {name}/file")
        with connect() as data:
            control.expect("1")
            control.half_close()
            data.send(b"content" * 1000)
            data.half_close()
            replies = control.read_all()
    assert b"\r\n226 " in b"\r\n" + replies, replies
    assert (path / "file").read_bytes() == b"content" * 1000


def test_item_14_a_half_closed_control_connection_is_passed_on(pair):
    """The server sees the end, and its answers still come."""
    one = pair()
    one.client.command("STAT", "QUIT")
    one.client.half_close()
    one.server.expect_command("STAT")
    one.server.expect_command("QUIT")
    one.server.expect_end()
    one.server.reply("211 fine", "221 bye")
    one.server.close()
    one.client.expect("211 fine\r\n")
    one.client.expect("221 bye\r\n")
    one.client.expect_end()


# 25. The two streams are not in order.

@modes
def test_item_25_abor_when_the_data_has_ended(mode, pair):
    """The ABOR finds a transfer that is complete: 226 and 225."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.client.command("ABOR")
    one.server.expect_command("ABOR")
    one.server.reply("226 done", "225 nothing to abort")
    one.client.expect("226 done\r\n")
    one.client.expect("225 nothing to abort\r\n")
    one.goes_on()


@modes
def test_item_25_the_226_comes_before_the_abor_and_the_data_after(
        mode, pair):
    """Data behind its 226, with an ABOR in between, is not lost quietly."""
    one = pair()
    mine, theirs = one.data(mode)
    one.server.reply("226 done")
    one.client.command("ABOR")
    one.server.expect_command("ABOR")
    theirs.send(b"content")
    theirs.close()
    one.server.reply("225 nothing to abort")
    first = one.client.read_reply()
    content = mine.read_all()
    if first.startswith("226"):
        assert content == b"content"
    else:
        assert first.startswith("426"), first
    one.client.expect("225 nothing to abort\r\n")
    one.goes_on()


@modes
@pytest.mark.parametrize("order", ["data first", "reply first"])
def test_item_25_stat_and_the_end_of_the_data(order, mode, pair):
    """A STAT while the data ends, in either order."""
    one = pair()
    mine, theirs = one.data(mode)
    one.client.command("STAT")
    one.server.expect_command("STAT")
    if order == "data first":
        theirs.send(b"content")
        theirs.close()
        one.server.reply("213 running", "226 done")
    else:
        one.server.reply("213 running", "226 done")
        one.server.wait_taken()
        theirs.send(b"content")
        theirs.close()
    one.client.expect("213 running\r\n")
    assert mine.read_all() == b"content"
    one.client.expect("226 done\r\n")
    one.goes_on()


def test_item_25_abor_and_426_before_the_data_ends(pair):
    """426 and 226 pass while the data connection still stands."""
    one = pair()
    mine, theirs = one.data("passive")
    theirs.send(b"part")
    mine.expect_bytes(b"part")
    one.client.command("ABOR")
    one.server.expect_command("ABOR")
    one.server.reply("426 cut", "226 aborted")
    one.client.expect("426 cut\r\n")
    one.client.expect("226 aborted\r\n")
    theirs.close()
    drain(mine)
    one.goes_on()
