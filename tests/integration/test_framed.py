"""Files whose end stands in the data: MODE B, and STRU R of mainframes.

No FTP server of Debian has either, so the server is scripted.  RFC 959 section
3.4: the data connection may stay open for the next file.
"""

import pytest

from sessions import quiet
from transfer import modes

# The command, the beginning of a file, and the rest of it with its end.
FORMS = {
    "records": ("STRU R", b"one\xff\x01t", b"wo\xff\xff\xff\x03"),
    "blocks": ("MODE B", b"\x80\0\x03one\0\0\x04tw", b"oo\x40\0\x01x"),
}


@pytest.fixture(params=FORMS)
def framed(request, pair):
    """Return a session with such files, and the two parts of one."""
    command, first, last = FORMS[request.param]
    one = pair()
    one.exchange(command, "200 ok")
    return one, first, last


@modes
def test_files_on_one_connection(mode, framed):
    """Downloads and uploads, one after the other, on an open connection."""
    one, first, last = framed
    mine, theirs = one.begin(mode, "RETR a")
    for command, source, sink in (("RETR a", theirs, mine),
                                  ("STOR b", mine, theirs),
                                  ("RETR c", theirs, mine)):
        if command != "RETR a":
            one.command(command)
        one.say("125 here it comes")
        source.send_pieces(first, last)
        sink.expect_bytes(first + last)
        one.say("250 done")
    one.goes_on()


def test_the_reply_waits_for_the_end(framed):
    """A 226 that overtakes the data."""
    one, first, last = framed
    mine, theirs = one.data("passive")
    theirs.send_to(mine, first)
    one.server.reply("226 done")
    assert quiet(one.client)
    theirs.send_to(mine, last)
    one.client.expect("226 done\r\n")
    one.goes_on()


def cut_upload(one, sent):
    """An upload whose client resets the connection behind these bytes."""
    mine, theirs = one.data("passive", "STOR cut")
    mine.send_to(theirs, sent)
    mine.reset()
    one.server.expect_command("ABOR")
    one.server.reply("226 done", "226 aborted")
    one.client.expect("426 ")
    one.goes_on()


def test_an_upload_without_its_end(framed):
    """Its client resets the connection in the middle, or after the end."""
    one, first, last = framed
    mine, theirs = one.data("passive", "STOR whole")
    mine.send_to(theirs, first + last)
    mine.reset()
    one.say("226 done")
    cut_upload(one, first)


def test_an_upload_that_is_answered_early(framed):
    """The server says 226 before the end has come."""
    one, first, _ = framed
    mine, theirs = one.data("passive", "STOR file")
    mine.send_to(theirs, first)
    one.server.reply("226 done")
    one.client.expect("426 ")
    mine.expect_reset()
    one.goes_on()


def test_a_server_that_ends_the_connection(framed):
    """The end of the connection also ends the file."""
    one, first, last = framed
    one.transfer(*one.data("passive"), first + last)
    one.goes_on()


def test_bytes_behind_the_end_of_an_upload(framed):
    """An end with bytes after it does not count: a cut there is a cut."""
    one, first, last = framed
    cut_upload(one, first + last + b"\0")


def test_a_server_that_closes_behind_an_upload(framed):
    """It has the end in the data, so the file is whole."""
    one, first, last = framed
    mine, theirs = one.data("passive", "STOR file")
    mine.send_to(theirs, first + last)
    theirs.close()
    assert mine.read_all() == b""
    one.say("226 done")
    one.goes_on()


def test_two_files_in_one_piece(framed):
    """Each end counts, however the bytes are split."""
    one, first, last = framed
    mine, theirs = one.data("passive", "RETR a")
    one.command("RETR b")
    theirs.send(2 * (first + last))
    mine.expect_bytes(2 * (first + last))
    one.say("226 done")
    one.say("150 the next one")
    one.say("226 done")
    one.goes_on()
