"""Transfers that one of the two ends early: data, QUIT, control, a reply."""

import pytest

from clients import BEGUN
from servers import ALL_KINDS, KINDS
from sessions import quiet, within
from transfer import Ftp, drain, modes


PROMPT = 2  # seconds


# An early end, by either side.

@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_ends_its_download(
        how, kind, mode, target, folder):
    """The server is told at once, answers 426 or 451; the session lives."""
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    with Ftp(target(kind)) as control:
        connect = control.prepare(mode)
        control.command(f"RETR {name}/huge")
        data = connect()
        control.expect("1")
        data.read(BEGUN)
        with within(PROMPT):
            getattr(data, how)()
            lives = control.settle(kind, aborted=False)
        (path / "small").write_bytes(b"content")
        if lives:
            assert control.fetch(mode, f"RETR {name}/small") == b"content"


@modes
def test_the_server_sees_the_clients_early_end(mode, pair):
    """It cannot continue to send for long."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send_to(mine, b"part of it")
    mine.reset()
    with within(PROMPT), pytest.raises(ConnectionError):
        while True:
            theirs.send(bytes(1 << 16))
    one.say("426 cut")
    one.goes_on()


@modes
@pytest.mark.parametrize("first", ["reply", "data"])
def test_the_server_ends_an_upload(first, mode, pair):
    """552: the client's data connection is reset, the reply passes."""
    one = pair()
    mine, theirs = one.data(mode, "STOR file")
    mine.send_to(theirs, b"part of it")
    with within(PROMPT):
        if first == "reply":
            one.say("552 disk full")
            theirs.close()
        else:
            theirs.close()
            one.say("552 disk full")
        with pytest.raises(ConnectionError):
            while True:
                mine.send(bytes(1 << 16))
    one.goes_on()


@modes
def test_226_before_the_client_ends_an_upload(mode, session):
    """What the client still sends is not stored: no 2xx, and a reset."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send_to(far, b"a part")
    one.server.reply("226 stored")
    reply = one.client.read_reply()
    assert not reply.startswith("2"), reply
    near.expect_reset()
    one.culvert.wait_log('upload STOR "file", 6 bytes: TRUNCATED: ')


# QUIT behind a running transfer.

@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_quit_behind_retr(kind, mode, target, folder):
    """All the data, the 226 and the 221, then the end."""
    path, name = folder(kind)
    size = 4 << 20
    (path / "file").write_bytes(bytes(size))
    with Ftp(target(kind)) as control:
        connect = control.prepare(mode)
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
def test_quit_while_a_transfer_runs(mode, pair):
    """A 221 before the 226, as from pyftpdlib: nothing is cut."""
    one = pair()
    mine, theirs = one.data(mode)
    one.command("QUIT")
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
def test_the_226_comes_long_after_the_data(mode, pair):
    """QUIT waits; the end of the data does not end the session."""
    one = pair()
    mine, theirs = one.data(mode)
    one.command("QUIT")
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
def test_the_server_closes_control_in_mid_transfer(
        command, mode, pair):
    """The client gets a reset, no 2xx, and the end."""
    one = pair()
    mine, theirs = one.data(mode, command)
    if command == "RETR file":
        theirs.send_to(mine, b"part")
    else:
        mine.send_to(theirs, b"part")
    with within(PROMPT):
        one.server.close()
        mine.expect_reset()
        text = one.client.read_all()
    assert text.startswith(b"426") and b"\n2" not in text, text
    drain(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_that_half_closes_control(kind, target, folder):
    """Like nc: an upload whose control connection is half-closed."""
    path, name = folder(kind)
    to = target(kind)
    with Ftp(to) as control:
        connect = control.prepare("active")
        control.command(f"STOR {name}/file")
        with connect() as data:
            control.expect("1")
            control.half_close()
            data.send(b"content" * 1000)
            data.half_close()
            replies = control.read_all()
    assert b"\r\n226 " in b"\r\n" + replies, replies
    assert (path / "file").read_bytes() == b"content" * 1000


def test_a_half_closed_control_connection_is_passed_on(pair):
    """The server sees the end, and its replies still pass."""
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
