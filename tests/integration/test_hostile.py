"""Hostile peers: what they can cost, and whom they can keep from working.

In each test one culvert is attacked in one tunnel and used in the other, whose
transfers go on all the while; its memory keeps the bound that limits.h and
--max-memory make, its log does not grow with the attack, and afterwards
nothing is left.
"""

import contextlib
import hashlib
import random
import re

import pytest

import limits
import scripted
from hostile import (CONTROL_KIB, DATA_KIB, MAX_MEMORY_KIB, Rig)
from process import FAILSAFE, until
from sessions import quiet, refused
from scripted import NEAR, start

HUGE = 64 << 20
PIECE = 1 << 16

# How often something is provoked: many times the limit of the log.
STORM = 3000


@pytest.fixture
def rig(request, server, ns, start_culvert, tmp):
    """Return the Rig; afterwards all must be as before.

    Its companion uses the modes of a mark "companion".
    """
    one = server("vsftpd")
    directory = one.mkdir(tmp.name)
    (directory / "small").write_bytes(b"small")
    with scripted.server(ns) as listener:
        culvert = start_culvert(
            f"0:127.0.0.1:{one.port}", f"0:127.0.0.1:{listener.port}",
            options=["--max-memory", f"{MAX_MEMORY_KIB}K"])
        rig = Rig(culvert, one, listener, ns, directory)
        mark = request.node.get_closest_marker("companion")
        rig.measure(*(mark.args if mark else ()))
        yield rig
        rig.nothing_left()


def source(number):
    """Return an address of our own for that client, and any port."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}", 0


def read_all(wire, count=None):
    """Read so many bytes, or to the end; returns (count, SHA-256)."""
    digest, total = hashlib.sha256(wire._buffer), len(wire._buffer)
    wire._buffer = b""
    while count is None or total < count:
        data = wire.sock.recv(
            1 << 18 if count is None else min(1 << 18, count - total))
        if not data:
            break
        digest.update(data)
        total += len(data)
    return total, digest.hexdigest()


def pour(wire, piece, total):
    """Send a piece again and again; returns what read_all() should."""
    digest, sent = hashlib.sha256(), 0
    while sent < total:
        wire.send(piece)
        digest.update(piece)
        sent += len(piece)
    return sent, digest.hexdigest()


def pour_until_full(wire, piece):
    """Send until the peer takes no more for a while; returns how much."""
    sent = 0
    wire.sock.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while sent < 16 * HUGE:
            sent += wire.sock.send(piece)
    assert sent < 16 * HUGE, "all of it was taken"
    wire.sock.settimeout(FAILSAFE)
    return sent


# Control connections.

def test_slow_loris(rig):
    """200 clients and servers send single bytes, and no line."""
    with contextlib.ExitStack() as stack:
        peers = []
        for number in range(200):
            pair = rig.open(source(number), log_in=False)
            for wire in pair:
                stack.enter_context(wire)
            peers.append(pair)
        for place in range(20):
            for client, server in peers:
                client.send(b"SITE a-command-without-an-end"[place:place + 1])
                server.send(b"220-a greeting without an end"[place:place + 1])
        # They are alive; each has the memory of two lines, and no more.
        rig.check(len(peers) * 2 * limits.kib(
            "LIMIT_COMMAND_LINE", "LIMIT_REPLY_LINE", "LIMIT_CONTROL_PAUSE"))
        client, server = peers[100]
        client.send(b"\r\n")
        server.expect_command("SITE a-command-witho")
        assert len(rig.more_ports()) <= 1  # the companion's


def test_too_many_clients(rig):
    """Beyond --max-sessions each gets 421, but not each a line."""
    with contextlib.ExitStack() as stack:
        # The companion has one of them.
        for number in range(limits.LIMIT_SESSIONS - 1):
            for wire in rig.open(source(number), log_in=False):
                stack.enter_context(wire)
        for number in range(500):
            with scripted.client(*rig.culvert.listeners[1],
                                 source=source(number)) as client:
                client.expect("421 Too many connections")
                client.expect_end()
        rig.check(limits.LIMIT_SESSIONS * 64)


@pytest.mark.parametrize("reads", [True, False])
def test_endless_reply(reads, rig):
    """A reply of 64 MiB in lines passes, or waits at the server."""
    piece = b" and so on\r\n" * (PIECE // 12)
    with rig.session() as (client, server):
        client.command("STAT")
        server.expect_command("STAT")
        server.send_to(client, b"211-begin\r\n")
        if reads:
            poured = start(pour, server, piece, HUGE)
            assert read_all(client, len(piece) * -(-HUGE // len(piece))) \
                == poured.result(FAILSAFE)
            server.send_to(client, b"211 end\r\n")
        else:
            pour_until_full(server, piece)
        rig.check(CONTROL_KIB)


def test_huge_reply_line(rig):
    """A line of 64 MiB passes byte for byte, in pieces.

    A small rest may wait for the end of the line.
    """
    with rig.session() as (client, server):
        client.command("STAT")
        server.expect_command("STAT")
        server.send(b"211 ")
        poured = start(pour, server, b"z" * PIECE, HUGE)
        client.expect_bytes(b"211 ")
        got, sent = start(read_all, client, HUGE), poured.result(FAILSAFE)
        server.send(b"\r\n")
        assert got.result(FAILSAFE) == sent
        client.expect_bytes(b"\r\n")
        rig.check(CONTROL_KIB)


def test_huge_command_line(rig):
    """A line of 64 MiB is refused once, and dropped as it comes."""
    with rig.session() as (client, server):
        poured = start(pour, client, b"z" * PIECE, HUGE)
        client.expect("500 Command line too long")
        poured.result(FAILSAFE)
        client.send(b"\r\nNOOP\r\n")
        server.expect_command("NOOP")
        rig.check(CONTROL_KIB)


def test_commands_never_answered(rig):
    """A client sends endlessly to a server that does not answer."""
    with rig.session() as (client, _):
        pour_until_full(client, b"NOOP\r\n" * (PIECE // 6))
        rig.check(CONTROL_KIB)


# Announcements.

@pytest.mark.parametrize("reads", [True, False])
def test_227_storm(reads, rig):
    """227 without a request pass, open nothing, and wait if unread."""
    with rig.session() as (client, server):
        piece = b"227 Entering Passive Mode (127,0,0,1,200,10).\r\n" * 1000
        if reads:
            poured = start(pour, server, piece, 8 << 20)
            assert read_all(client, len(piece) * -(-(8 << 20) // len(piece))) \
                == poured.result(FAILSAFE)
        else:
            pour_until_full(server, piece)
        assert len(rig.more_ports()) <= 1  # the companion's
        rig.check(CONTROL_KIB)


def answer_each(server, text):
    """Answer all commands with the same reply, up to QUIT."""
    while server.read_command() != "QUIT":
        server.reply(text)
    server.reply("221 goodbye")


def storm(rig, client, server, line, text):
    """Send a command STORM times, and answer each that passes with text.

    Returns the replies to the client, which may be 425 as well, and the most
    ports on which culvert was seen to listen.
    """
    answered = start(answer_each, server, text)
    sent = start(client.send, f"{line}\r\n".encode() * STORM + b"QUIT\r\n")
    replies, most = [], 0
    while not replies or not replies[-1].startswith("221"):
        replies.append(client.read_reply())
        if len(replies) % 100 == 0:
            most = max(most, len(rig.more_ports()))
    sent.result(FAILSAFE)
    answered.result(FAILSAFE)
    assert len(replies) == STORM + 1
    assert {reply[:3] for reply in replies} <= {text[:3], "425", "221"}
    return replies, most


@pytest.mark.parametrize("text", [
    "227 Entering Passive Mode (127,0,0,1,0,9).", "227 no numbers at all"])
def test_pasv_storm(text, rig):
    """Thousands of PASV have one listener at a time, or none.

    Nobody listens on the port in the replies.
    """
    with rig.session() as (client, server):
        _, most = storm(rig, client, server, "PASV", text)
        # The companion has one more.
        assert most <= limits.LIMIT_SESSION_DATA + 1
        rig.check(CONTROL_KIB + limits.LIMIT_SESSION_DATA * DATA_KIB)


def test_port_storm(rig):
    """Thousands of PORT, each accepted and none used."""
    with rig.session() as (client, server), \
            scripted.Listener(NEAR, "127.0.0.1") as mine:
        replies, _ = storm(rig, client, server,
                           f"PORT {mine.port_argument()}", "200 noted")
        assert "200 noted\r\n" in replies
        rig.check(CONTROL_KIB + limits.LIMIT_SESSION_DATA * DATA_KIB)


# Port scans by way of culvert.

def test_port_scan(rig):
    """PORT to other hosts and low ports: refused, without a connection."""
    with rig.session() as (client, server), \
            scripted.Listener(NEAR, "127.0.0.2") as victim:
        chosen = random.Random(1)
        for number in range(STORM):
            if number % 2:
                host, port = "127.0.0.1", chosen.randrange(1, 1024)
            else:
                host, port = "127.0.0.2", victim.port
            argument = scripted.port_argument(host, port)
            client.command(f"PORT {argument}", "LIST")
            client.expect("500 PORT refused by culvert")
            server.expect_command("LIST")
            server.reply("425 no data connection")
            client.expect("425")
        victim.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            victim.accept()
        rig.check(CONTROL_KIB)
    # On a slow machine more than one line counts them.
    until(lambda: sum(map(int, re.findall(
        r"(\d+) more warnings of this kind were not logged",
        rig.culvert.output))) >= STORM // 2, "what was left out is counted")


def test_third_party_address(rig):
    """A 227 with another host's address: culvert connects to the server."""
    with rig.session() as (client, server), \
            scripted.Listener(rig.ns, "127.0.0.2") as victim, \
            scripted.Listener(rig.ns, "127.0.0.1", victim.port) as own:
        for _ in range(50):
            client.command("PASV")
            server.expect_command("PASV")
            server.reply(f"227 ({victim.port_argument()})")
            address = scripted.parse_port(client.expect("227"))
            with scripted.dial(*address) as near, own.accept() as far:
                client.command("RETR file")
                server.expect_command("RETR file")
                server.reply("150 here")
                client.expect("150")
                far.send(b"the server's own")
                far.close()
                assert near.read_all() == b"the server's own"
                server.reply("226 done")
                client.expect("226")
        victim.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            victim.accept()
        rig.check(CONTROL_KIB + DATA_KIB)


# Data connections.

def passive(rig, client, server, listener):
    """Play a PASV; returns the near address."""
    client.command("PASV")
    server.expect_command("PASV")
    server.reply(f"227 ({listener.port_argument()})")
    return scripted.parse_port(client.expect("227"))


def flood(address, number):
    """Connect from other addresses; returns how often nobody spoke to us."""
    came = 0
    for each in range(number):
        try:
            with scripted.dial(*address, source=source(each)) as wire:
                assert wire.expect_reset() == b""
        except ConnectionResetError:
            pass  # sooner than we could read
        came += 1
    return came


def test_flood_on_a_data_listener(rig):
    """Thousands of strangers; the listener still waits for its client."""
    with rig.session() as (client, server), \
            scripted.Listener(rig.ns) as listener:
        address = passive(rig, client, server, listener)
        floods = [start(flood, address, STORM // 4) for _ in range(4)]
        assert sum(one.result(FAILSAFE * 3) for one in floods) == STORM
        client.command("RETR file")
        server.expect_command("RETR file")
        server.reply("150 here")
        client.expect("150")
        with scripted.dial(*address) as near, listener.accept() as far:
            far.send(b"for the right one")
            far.close()
            assert near.read_all() == b"for the right one"
        server.reply("226 done")
        client.expect("226")
        assert refused(address)
        rig.check(CONTROL_KIB + DATA_KIB)


@pytest.mark.companion(["passive"])
def test_flood_on_a_far_listener(rig):
    """After a transfer: connections from the far side are refused.

    The companion is passive, because it would use the same listener again.
    """
    with rig.session() as (client, server), \
            scripted.Listener(NEAR, "127.0.0.1") as mine:
        client.command(f"PORT {mine.port_argument()}")
        there = scripted.parse_port(server.read_command("PORT"))
        server.reply("200 noted")
        client.expect("200")
        client.command("RETR file")
        server.expect_command("RETR file")
        with scripted.dial(*there, side=rig.ns) as far, mine.accept() as near:
            server.reply("150 here", "226 done")
            far.close()
            assert near.read_all() == b""
        client.expect("150")
        client.expect("226")
        for _ in range(200):
            with contextlib.suppress(ConnectionError), \
                    scripted.dial(*there, side=rig.ns) as stranger:
                assert stranger.read_all() == b""
        mine.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            mine.accept()
        rig.check(CONTROL_KIB + DATA_KIB)


def begin(rig, client, server, listener, command):
    """Begin a passive transfer; returns its two ends."""
    near = scripted.dial(*passive(rig, client, server, listener))
    far = listener.accept()
    client.command(command)
    server.expect_command(command)
    server.reply("150 here")
    client.expect("150")
    return near, far


def test_endless_download(rig):
    """More than the memory passes; a client that stops reading stops it."""
    with rig.session() as (client, server), \
            scripted.Listener(rig.ns) as listener:
        near, far = begin(rig, client, server, listener, "RETR endless")
        with near, far:
            filled = start(pour_until_full, far, b"x" * PIECE)
            assert read_all(near, HUGE)[0] >= HUGE
            filled.result(FAILSAFE)
            rig.check(CONTROL_KIB + DATA_KIB + MAX_MEMORY_KIB)
            client.command("ABOR")
            server.expect_command("ABOR")
            until(lambda: gone(far), "the server's data connection ends")
        server.reply("426 aborted", "226 ABOR done")
        client.expect("426")
        client.expect("226")


def gone(wire):
    """Return whether what is sent goes nowhere any more."""
    try:
        wire.sock.setblocking(False)
        wire.sock.send(b"x")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_endless_upload(rig):
    """A server that does not read stops the client; culvert holds little."""
    with rig.session() as (client, server), \
            scripted.Listener(rig.ns) as listener:
        near, far = begin(rig, client, server, listener, "STOR endless")
        with near, far:
            pour_until_full(near, b"x" * PIECE)
            rig.check(CONTROL_KIB + DATA_KIB)
            assert quiet(client) and quiet(server)


@pytest.mark.parametrize("count", [20])
def test_many_endless_downloads(count, rig):
    """Twenty of them, unread: all windows together obey --max-memory."""
    with contextlib.ExitStack() as stack:
        fars = []
        for number in range(count):
            pair = stack.enter_context(rig.session(source=source(number)))
            listener = stack.enter_context(scripted.Listener(rig.ns))
            pair[0].command("PASV")
            pair[1].expect_command("PASV")
            pair[1].reply(f"227 ({listener.port_argument()})")
            address = scripted.parse_port(pair[0].expect("227"))
            stack.enter_context(scripted.dial(
                *address, source=source(number), rcvbuf=4096))
            fars.append(stack.enter_context(listener.accept()))
            pair[0].command("RETR endless")
            pair[1].expect_command("RETR endless")
            pair[1].reply("150 here")
            pair[0].expect("150")
        filled = [start(pour_until_full, far, b"x" * PIECE) for far in fars]
        for one in filled:
            one.result(FAILSAFE * 2)
        rig.check(count * DATA_KIB + MAX_MEMORY_KIB)
