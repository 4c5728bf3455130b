"""Cut transfers: the client, or its end, is cut off.

Real servers take the end of a cut upload for the end of the file, or not; culvert's
log must say so, and no client may see a 2xx.
"""

import contextlib
import itertools
import os
import re
import signal
import time

import pytest

import clients
import scripted
from process import until, wait_gone
from servers import KINDS
from transfer import (MODES, PART, Ftp, check_early_end, hand_over, kill,
                      modes, wait_size)

kinds = pytest.mark.parametrize("kind", KINDS)

# What the log says about a cut upload, with the server's replies.  vsftpd and
# proftpd read no command before the data end, so after 10 s they take the part
# for the whole; the others obey ABOR at once.
VERDICT = {
    "vsftpd": r"TRUNCATED: .*answered 226 and keeps the partial file",
    "proftpd": r"TRUNCATED: .*answered 226 and keeps the partial file",
    "pure-ftpd": r"cut: .*answered 4\d\d$",
    "pyftpdlib": r"cut: .*answered 426$",
}


@pytest.fixture
def one(kind, server):
    """Return the real server of the test."""
    return server(kind)


@pytest.fixture
def tunnel(one, start_culvert):
    """Return a culvert to it."""
    return start_culvert(f"0:127.0.0.1:{one.port}")


@pytest.fixture
def place(one, tmp):
    """Return a directory of the server's, ours alone."""
    return one.mkdir(tmp.name)


def check_log(tunnel, kind, place):
    """Fail unless the log tells of the uploads: file, bytes, verdict."""
    for mode in MODES:
        # curl has used CWD before.
        tunnel.wait_log(
            rf'upload STOR "({place.name}/)?{mode}", {PART} bytes: '
            + VERDICT[kind])
        wait_size(place / mode, PART)
    assert "complete" not in tunnel.output


@kinds
def test_client_killed(kind, one, tunnel, place):
    """The kernel of a killed client ends both connections cleanly."""
    holders = []
    for mode in MODES:
        with Ftp(tunnel, one) as ftp:
            data = ftp.begin_upload(mode, place, mode)
            holders.append(hand_over(ftp, data))
    for holder in holders:
        kill(holder)
    check_log(tunnel, kind, place)


@kinds
def test_curl_killed(kind, one, tunnel, place):
    """The same with a real client."""
    target = clients.Target.behind(tunnel, one)
    curl = clients.CLIENTS["curl"]
    with contextlib.ExitStack() as stack:
        running = []
        for mode in MODES:
            child = stack.enter_context(curl._started(target, curl._argv(
                target, mode, "-T", "-", target.url(f"{place.name}/{mode}"))))
            child.stdin.write(os.urandom(PART))
            child.stdin.flush()
            running.append(child)
        for mode, child in zip(MODES, running):
            wait_size(place / mode)
            child.kill()
            wait_gone(child.pid)
        check_log(tunnel, kind, place)


@kinds
def test_data_reset(kind, one, tunnel, place):
    """Only the data connection is reset: 4xx, and the session continues."""
    with contextlib.ExitStack() as stack:
        ftps = {mode: stack.enter_context(Ftp(tunnel, one)) for mode in MODES}
        for mode, ftp in ftps.items():
            ftp.begin_upload(mode, place, mode).reset()
        for mode, ftp in ftps.items():
            ftp.expect("4")
            ftp.exchange("PWD", "257")
        check_log(tunnel, kind, place)
        for mode, ftp in ftps.items():
            with ftp.begin(mode, f"STOR {place.name}/again-{mode}") as data:
                data.send(b"again")
            ftp.expect("226")
            assert (place / f"again-{mode}").read_bytes() == b"again"


@kinds
@modes
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_download_ended_early(kind, mode, how, one, tunnel, place):
    """A download that its client ends early; the session continues."""
    with Ftp(tunnel, one) as ftp:
        check_early_end(ftp, mode, place, how)


@kinds
def test_client_killed_in_download(kind, one, tunnel, place):
    """It is logged, and the server's connections end."""
    for mode in MODES:
        with Ftp(tunnel, one) as ftp:
            data = ftp.begin_download(mode, place)
            place_in_log = tunnel.mark()
            kill(hand_over(ftp, data))
        tunnel.wait_log(rf'download RETR "{place.name}/huge", \d+ bytes: cut',
                        start=place_in_log)


# With a scripted server: how each connection can end, in either order.

ENDS = ["closed", "reset"]


def end(wire, how):
    """End a connection of the client in one of the two ways."""
    if how == "reset":
        wire.reset()
    else:
        wire.close()


@modes
@pytest.mark.parametrize("control, data, first", [
    pytest.param(control, data, first,
                 id=f"control-{control}-data-{data}-{first}-first")
    for control, data, first in itertools.product(
        ENDS, ENDS, ["control", "data"])])
def test_ends_of_a_killed_client(mode, control, data, first, session):
    """However a client dies: the server gets ABOR, and no end of the data."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send_to(far, b"a part")
    if first == "control":
        end(one.client, control)
        end(near, data)
    else:
        end(near, data)
        end(one.client, control)
    one.server.expect_command("ABOR")
    # An end before ABOR would be readable now.
    far.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.sock.recv(1)
    one.server.reply("426 aborted", "226 ABOR done")
    one.culvert.wait_log(
        'upload STOR "file", 6 bytes: cut: .*the server answered 426')
    far.sock.settimeout(20)
    far.expect_end()


@modes
@pytest.mark.parametrize("control", ENDS)
@pytest.mark.parametrize("sent", [b"", b"a part", bytes(4096)],
                         ids=lambda sent: str(len(sent)))
def test_slow_death(mode, control, sent, session):
    """On a busy machine, the kernel takes some time between the two ends."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send_to(far, sent)
    time.sleep(0.3)
    near.close()
    time.sleep(0.03)
    end(one.client, control)
    one.server.expect_command("ABOR")
    one.server.reply("426 aborted", "226 ABOR done")
    one.culvert.wait_log(
        f'upload STOR "file", {len(sent)} bytes: cut: ')


@modes
def test_death_while_culvert_was_stopped(mode, session):
    """What came meanwhile is read before a late timer runs."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send_to(far, b"a part")
    time.sleep(0.4)
    near.close()
    os.kill(one.culvert.pid, signal.SIGSTOP)
    one.client.close()
    time.sleep(0.4)
    os.kill(one.culvert.pid, signal.SIGCONT)
    one.server.expect_command("ABOR")
    one.server.reply("426 aborted", "226 ABOR done")
    one.culvert.wait_log('upload STOR "file", 6 bytes: cut: ')


@modes
def test_server_that_takes_the_part(mode, session):
    """The server answers ABOR with 226: truncated, the client gets 426."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send_to(far, b"a part")
    near.reset()
    one.server.expect_command("ABOR")
    one.server.reply("226 all is well", "225 nothing to abort")
    one.client.expect("426")
    one.culvert.wait_log('upload STOR "file", 6 bytes: TRUNCATED: .*226')
    one.exchange("NOOP", "200 zzz")


@modes
def test_half_closed_client(mode, session):
    """A client that ends control as well, but lives: its file is whole."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.send(b"the whole")
    one.client.half_close()
    near.half_close()
    assert far.read_all() == b"the whole"
    one.server.reply("226 stored")
    replies = [one.client.read_reply()]
    while replies[-1].startswith("150"):
        replies.append(one.client.read_reply())
    assert replies[-1] == "226 stored\r\n", replies
    assert not re.search("TRUNCATED|cut", one.culvert.output)


@modes
def test_reset_before_the_first_byte(mode, session):
    """Not even an empty file may look complete."""
    one = session()
    near, far = one.data(mode, "STOR file")
    near.reset()
    one.server.expect_command("ABOR")
    one.server.reply("226 an empty file", "225 nothing to abort")
    one.client.expect("426")
    one.culvert.wait_log('upload STOR "file", 0 bytes: TRUNCATED')


def test_reset_before_the_command(session):
    """The data connection died before STOR: the server gets no STOR."""
    one = session()
    with scripted.Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        near = scripted.dial(*scripted.parse_port(one.client.expect("227")))
        with listener.accept() as far:
            near.send_to(far, b"!")
            near.reset()
            far.expect_end()
            one.client.exchange("STOR file", "425")
    one.command("NOOP")


def ends_last(wire):
    """Return whether both ends have ended, and the other one has bytes left.

    At the other end that is LAST_ACK, or CLOSING if it was the first to end:
    09 and 0B in /proc/net/tcp.
    """
    port = f":{wire.sock.getpeername()[1]:04X}"
    return any(line.split()[1].endswith(port) and line.split()[3] in ("09", "0B")
               for line in open("/proc/net/tcp").readlines()[1:])


@pytest.mark.parametrize("ended", ["before", "after"])
def test_reset_behind_a_half_close(ended, session):
    """Both ends have ended the connection; a reset still cuts the download."""
    one = session()
    with scripted.Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        near = scripted.dial(*scripted.parse_port(one.client.expect("227")),
                             rcvbuf=4096)
        with listener.accept() as far:
            one.command("RETR file")
            one.server.reply("150 here it comes")
            one.client.expect("150")
            if ended == "before":
                near.half_close()
            far.send(bytes(100_000))
            far.close()
            if ended == "after":
                near.half_close()
            one.server.reply("226 sent")
            until(lambda: ends_last(near), "culvert has ended its direction")
            near.reset()
            one.client.expect("426")
    one.command("NOOP")


def test_gone_in_a_download(session):
    """Both connections are reset: the log says so."""
    one = session()
    near, far = one.data("passive", "RETR file")
    one.client.reset()
    one.culvert.wait_log(
        '"file", 0 bytes: cut: the client is gone; no answer from the')
