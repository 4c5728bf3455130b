"""ABOR: every form of it, in every kind of transfer, and late."""

import contextlib
import socket

import pytest

import scripted
from clients import BEGUN
from process import FAILSAFE, until
from sessions import within
from servers import ALL_KINDS
from transfer import Ftp, count, drain, modes


# culvert gives the server 300 ms to react to ABOR; without it they take 12 s.
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


# ABOR, with and without Telnet IP and Synch.

@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_abor_in_a_download(kind, mode, target, folder):
    """All three variants of ABOR in a large download; then the session
    continues.
    """
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    (path / "small").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        for abor in ABORS:
            connect = control.prepare(mode)
            control.command(f"RETR {name}/huge")
            with connect() as data:
                control.expect("1")
                data.read(BEGUN)
                # Clients read up to the end, or close at once.
                reader = scripted.start(drain, data)
                with within(PROMPT):
                    abor(control)
                    if abor is abor_lftp:
                        data.sock.shutdown(socket.SHUT_RDWR)
                    lives = control.settle(kind, abor is not abor_lftp)
                reader.result(FAILSAFE)
            if not lives:
                return
            assert control.fetch(mode, f"RETR {name}/small") == b"content"


@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_abor_in_an_upload(kind, mode, target, folder):
    """With the data connection open or closed: no 226 for the part."""
    path, name = folder(kind)
    with Ftp(target(kind)) as control:
        for number, abor in enumerate(ABORS):
            connect = control.prepare(mode)
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
                    control.settle(kind)
            control.store(mode, f"STOR {name}/whole", b"content")
            assert (path / "whole").read_bytes() == b"content"


@modes
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_abor_of_a_client_that_does_not_read(
        kind, mode, target, folder):
    """Like ftplib's abort(): the data connection is full at that time.

    pure-ftpd does not read commands until it can write again.
    """
    path, name = folder(kind)
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    with Ftp(target(kind)) as control:
        control.sock.settimeout(PROMPT)
        connect = control.prepare(mode)
        control.command(f"RETR {name}/huge")
        with connect() as data:
            control.expect("1")
            data.read(BEGUN)
            with within(PROMPT):
                abor_alone(control)
                control.settle(kind)


@pytest.mark.parametrize("abor", ABORS)
def test_every_byte_of_an_abor_arrives(abor, pair):
    """Urgent or not, no byte is lost and none is added."""
    one = pair()
    mine, theirs = one.data("passive")
    theirs.send_to(mine, b"part")
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
def test_a_server_that_reads_abor_late(mode, pair):
    """After 300 ms its data connection is ended, and then it answers."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send_to(mine, b"part")
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


def test_a_client_that_reads_on_after_abor(pair):
    """It gets what the server still sends, so that the server goes on.

    pure-ftpd loses the ABOR if its data connection is ended before it has
    read it.  How much comes in 300 ms depends on the machine: the best of fifty
    is more than what is read for a client that does not read.
    """
    one, most = pair(), 0
    for _ in range(50):
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
        if most > 5 << 20:
            break
    assert most > 5 << 20, most
    one.goes_on()


def test_abor_without_a_transfer(pair):
    """It passes, and changes nothing."""
    one = pair()
    one.exchange("ABOR", "226 nothing to abort")
    listener, to = one.passive()
    one.exchange("ABOR", "225 nothing to abort")
    mine, theirs = one.data("passive")
    theirs.close()
    mine.expect_end()
    one.say("226 done")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_abor_without_a_transfer_and_real_servers(
        kind, target, folder):
    """The server's reply passes, and the session continues."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    with Ftp(target(kind)) as control:
        control.exchange("ABOR", "22")
        control.prepare("passive")
        control.exchange("ABOR", "22")
        assert control.fetch("passive", f"RETR {name}/file") == b"content"


# Control and data in another order.

@modes
def test_abor_when_the_data_has_ended(mode, pair):
    """The transfer is complete when ABOR comes: 226 and 225."""
    one = pair()
    mine, theirs = one.data(mode)
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.command("ABOR")
    one.server.reply("226 done", "225 nothing to abort")
    one.client.expect("226 done\r\n")
    one.client.expect("225 nothing to abort\r\n")
    one.goes_on()


@modes
def test_the_226_comes_before_the_abor_and_the_data_after(
        mode, pair):
    """Data that come after the 226 and an ABOR are not lost silently."""
    one = pair()
    mine, theirs = one.data(mode)
    one.server.reply("226 done")
    one.command("ABOR")
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
def test_stat_and_the_end_of_the_data(order, mode, pair):
    """STAT while the data end, in either order."""
    one = pair()
    mine, theirs = one.data(mode)
    one.command("STAT")
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


def test_abor_and_426_before_the_data_ends(pair):
    """426 and 226 pass while the data connection still exists."""
    one = pair()
    mine, theirs = one.data("passive")
    theirs.send_to(mine, b"part")
    one.command("ABOR")
    one.server.reply("426 cut", "226 aborted")
    one.client.expect("426 cut\r\n")
    one.client.expect("226 aborted\r\n")
    theirs.close()
    drain(mine)
    one.goes_on()
