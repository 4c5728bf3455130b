"""Over-long lines and binary data."""

import contextlib
import random

import pytest

from process import FAILSAFE
from scripted import start

# limits.h, LIMIT_COMMAND_LINE: the longest line, its end included.
LONGEST = 8192


def test_longest_command(session):
    """Lines up to 8 KiB, with CR LF, pass."""
    one = session()
    line = "SITE " + "x" * (LONGEST - 7)
    one.exchange(line, "500 what?")


def test_too_long_command(session):
    """With one byte more culvert answers 500, and the server gets nothing."""
    one = session()
    one.client.command("SITE " + "x" * (LONGEST - 6), "NOOP")
    one.client.expect("500 Command line too long")
    one.culvert.wait_log(f"refused a command line of more than {LONGEST}")
    one.server.expect_command("NOOP")


def test_no_line_end(session):
    """9,000 bytes without one: 500 at once, then nothing up to its end."""
    one = session()
    one.client.send(b"x" * 9000)
    one.client.expect("500 Command line too long")
    one.client.send(b"PORT 10,9,8,7,1,2" * 1000)
    one.client.send(b"\r\nNOOP\r\n")
    one.answer("NOOP", "200 noop")


def test_megabytes_without_line_end(session):
    """Any amount is dropped and takes no memory."""
    one = session()
    one.client.send(b"\xff\xf4x" * (1 << 20))
    one.client.expect("500")
    one.client.command("", "NOOP")
    one.server.expect_command("NOOP")


@pytest.mark.parametrize("inner", [False, True])
def test_long_reply(inner, session):
    """A reply line of 20 kB passes byte for byte, alone or within."""
    one = session()
    one.command("NOOP")
    text = "y" * 20_000
    lines = ["200-first", f" {text}", "200 last"] if inner else \
        [f"200 {text}"]
    one.server.reply(*lines)
    assert one.client.read_reply() == "".join(f"{line}\r\n" for line in lines)
    one.command("PWD")
    one.server.reply('257 "/"')
    one.client.expect("257")


def test_long_227(session):
    """A 227 that is too long to be parsed passes, with a warning."""
    one = session()
    one.command("PASV")
    reply = f"227 {'z' * 9000} (127,0,0,1,200,10)"
    one.server.reply(reply)
    assert one.client.read_reply() == reply + "\r\n"
    one.culvert.wait_log("found no address and port in a 227 reply")


def send_all(wire, data):
    """Send; that the other side gives up is no failure here."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        wire.send(data)
        wire.half_close()


def read_rest(wire):
    """Read to the end, whatever that looks like."""
    with contextlib.suppress(ConnectionError):
        return len(wire.read_all())
    return -1


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(seed, session):
    """Random bytes both ways: that session ends, the next one works."""
    one = session()
    rubbish = random.Random(seed)
    # Enough line ends to make many lines.
    pieces = [rubbish.randbytes(rubbish.randrange(400))
              + rubbish.choice([b"\r\n", b"\n", b"\r", b"\0", b""])
              for _ in range(1000)]
    running = [start(send_all, one.client, b"".join(pieces)),
               start(send_all, one.server, b"".join(reversed(pieces))),
               start(read_rest, one.client), start(read_rest, one.server)]
    for future in running:
        future.result(FAILSAFE * 2)
    one.client.close()
    one.server.close()
    one.check_next()


def test_bytes_are_escaped(session):
    """Bytes from peers cannot control the terminal that shows the log."""
    one = session(options=["-vv"])
    one.client.send(b"STAT \x1b]0;owned\x07\x9b1m\xff\xfe\r\n")
    one.server.read_command("STAT")
    one.server.send(b"211 \x1b[2J\x08\x7f ok\r\n")
    one.client.expect("211")
    one.culvert.wait_log(r"-> STAT \\x1b\]0;owned\\x07")
    one.culvert.wait_log(r"<- 211 \\x1b\[2J\\x08\\x7f ok")
    assert "\x1b" not in one.culvert.output
