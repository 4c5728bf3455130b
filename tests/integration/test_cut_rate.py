"""Cut transfers, while culvert holds bytes back (--rate).

What the server of a download, or the client of an upload, has sent, culvert
has read, and the other end has not got yet: whatever ends then, nobody takes a
part for the whole, and what nothing has cut is whole.
"""

import os
import signal
import time

import pytest

import scripted
from scripted import NEAR, announcement
from test_reload import reload, with_port
from test_status import run
from test_up import conf, ftp_server, to  # noqa: F401
from transfer import (Ftp, no_success, readable, replies_to_end,
                      wait_size)

# pylint: disable=redefined-outer-name

# Of this the first 16 KiB go at once, and the last after 4 s.
SIZE = 80_000
RATE = ["--rate", "16K"]

# The client's mode, and options besides the rate.
WAYS = [("passive",), ("active",), ("active", "--links", "4"),
        ("passive", "--links", "4"),
        ("active", "--server-mode", "passive"),
        ("passive", "--server-mode", "active")]
ways = pytest.mark.parametrize("way", WAYS, ids=" ".join)
modes = pytest.mark.parametrize("way", WAYS[:2], ids=" ".join)


def begin(session, way, command):
    """Begin a transfer; returns the session, and the two ends of its data."""
    mode, *options = way
    one = session(options=[*RATE, *options])
    if "--server-mode" in options:
        return one, *translated(one, mode, options[-1], command)
    return one, *one.data(mode, command)


def translated(one, mode, server_mode, command):
    """The same, where the server gets a request of the other mode."""
    client, server = one
    near = one.listen(NEAR) if mode == "active" else None
    client.command(announcement(near) if near else "PASV")
    request = server.read_command()
    if server_mode == "passive":
        far = one.listen(one.ns)
        if request.startswith("EPSV"):
            server.reply(f"229 Entering (|||{far.port}|)")
        else:
            server.reply(f"227 Entering ({far.port_argument()}).")
    else:
        server.reply("200 ok")
    reply = client.expect("2")
    client_end = None if near else one.dial(scripted.parse_port(reply))
    one.command(command)
    if server_mode == "passive":
        server_end = one.keep(far.accept())
    else:
        server_end = one.dial(parse_active(request), one.ns)
    server.reply("150 here it comes")
    if near:
        client_end = one.keep(near.accept())
    client.expect("150")
    return client_end, server_end


def parse_active(command):
    """Return where PORT or EPRT says that the data go."""
    verb, argument = command.split(" ")
    return (scripted.parse_eprt if verb == "EPRT" else scripted.parse_port)(
        argument)


def send_all(wire, content):
    """Send a whole file and its end.

    What culvert does not read at once it reads when that has gone.
    """
    wire.send(content)
    wire.half_close()


@ways
def test_whole(way, session):
    """Nothing is cut: the file is whole, and reported as complete."""
    content = os.urandom(SIZE)
    one, near, far = begin(session, way, "RETR file")
    send_all(far, content)
    one.server.reply("226 done")
    assert near.read_all() == content
    near.close()
    one.client.expect("226")


@ways
@pytest.mark.parametrize("said", ["226 done", None])
def test_download_and_ssh(said, way, session):
    """ssh is killed; culvert may or may not hold the rest of the file."""
    one, near, far = begin(session, way, "RETR file")
    send_all(far, os.urandom(SIZE))
    if said:
        one.server.reply(said)
    near.read(20_000)
    for pid in one.culvert.all_ssh():
        os.kill(pid, signal.SIGKILL)
    assert len(near.expect_reset()) < SIZE - 20_000
    no_success(replies_to_end(one.client))
    one.culvert.process.wait()


@ways
def test_download_and_server(way, session):
    """The server is killed: its kernel ends both connections."""
    one, near, far = begin(session, way, "RETR file")
    send_all(far, os.urandom(SIZE))
    near.read(20_000)
    far.close()
    one.server.close()
    assert len(near.expect_reset()) < SIZE - 20_000
    no_success(replies_to_end(one.client))


@modes
def test_download_and_culvert(way, session):
    """culvert is stopped."""
    one, near, far = begin(session, way, "RETR file")
    send_all(far, os.urandom(SIZE))
    one.server.reply("226 done")
    near.read(20_000)
    os.kill(one.culvert.pid, signal.SIGTERM)
    assert len(near.expect_reset()) < SIZE - 20_000
    no_success(replies_to_end(one.client))
    one.culvert.process.wait()


@modes
def test_download_and_drain(way, session):
    """culvert drains: the transfer gets the time it needs."""
    content = os.urandom(SIZE)
    one, near, far = begin(session, way, "RETR file")
    send_all(far, content)
    one.server.reply("226 done")
    near.read(20_000)
    os.kill(one.culvert.pid, signal.SIGUSR1)
    assert near.read_all() == content[20_000:]
    near.close()
    one.client.expect("226")
    one.client.expect("421")
    one.culvert.process.wait()


@modes
def test_download_and_abort(way, session):
    """ABOR after the server has sent everything and the 226."""
    one, near, far = begin(session, way, "RETR file")
    send_all(far, os.urandom(SIZE))
    one.server.reply("226 done")
    near.read(20_000)
    one.command("ABOR")
    one.server.reply("226 nothing to abort")
    one.client.expect("426")
    one.client.expect("226")
    one.exchange("NOOP", "200 ok")


@modes
def test_upload_and_ssh(way, session):
    """ssh is killed: no 226, and the client's data connection is reset."""
    one, near, far = begin(session, way, "STOR file")
    near.send(os.urandom(SIZE))
    far.read(20_000)
    for pid in one.culvert.all_ssh():
        os.kill(pid, signal.SIGKILL)
    near.expect_reset()
    no_success(replies_to_end(one.client))
    one.culvert.process.wait()


@ways
@pytest.mark.parametrize("how", ["reset", "end", "end of data first"])
def test_upload_and_client(how, way, session):
    """The client is killed: the data do not end before the server's answer."""
    one, near, far = begin(session, way, "STOR file")
    near.send(os.urandom(SIZE))
    far.read(20_000)
    if how == "reset":
        near.reset()
        one.client.reset()
    else:
        near.close()
        if how == "end of data first":
            time.sleep(0.2)  # culvert still holds the rest
        one.client.close()
    got = one.server.read_command()
    while not got.endswith("ABOR"):
        got = one.server.read_command()
    while readable(far):
        assert far.sock.recv(SIZE), "that looks like the end of the file"
    one.server.reply("426 aborted")
    one.server.reply("226 ABOR")


@modes
def test_upload_and_early_reply(way, session):
    """The server says 226, but does not have the whole file."""
    one, near, far = begin(session, way, "STOR file")
    send_all(near, os.urandom(SIZE))
    far.read(20_000)
    one.server.reply("226 done")
    one.client.expect("426")


@ways
def test_upload_is_whole(way, session):
    """Nothing is cut: the end comes after the last byte."""
    content = os.urandom(SIZE)
    one, near, far = begin(session, way, "STOR file")
    send_all(near, content)
    assert far.read_all() == content
    far.close()
    one.say("226 done")


@pytest.mark.parametrize("ended", [True, False])
def test_remote_upload_and_ssh(ended, remote_session):
    """The near server gets no end of a file of which culvert held a part."""
    one = remote_session(options=RATE)
    far, near = one.data("passive", "STOR file")
    far.send(os.urandom(SIZE))
    if ended:
        far.half_close()
    near.read(20_000)
    one.kill_ssh()
    assert len(near.expect_reset()) < SIZE - 20_000
    one.culvert.process.wait()


@pytest.mark.parametrize("said", ["226 done", None])
def test_remote_download_and_server(said, remote_session):
    """The near server ends everything: complete only if it said so before."""
    one = remote_session(options=RATE)
    content = os.urandom(SIZE)
    far, near = one.data("passive", "RETR file")
    send_all(near, content)
    if said:
        one.server.reply(said)
    near.close()
    one.server.close()
    got = far.read_all()
    replies = replies_to_end(one.client)
    if said:
        assert got == content
        assert replies[0].startswith("226"), replies
    else:
        no_success(replies)


# ---- culvert up ----

@pytest.fixture
def plant(conf, sshd, ftp_server, start_up):
    """Return a culvert with the tunnels plant and bank, and its file."""
    with scripted.Listener() as listener:
        port = listener.port
    lines = with_port(to(sshd, ftp_server), port)
    bank = to(sshd, ftp_server)
    one = start_up(conf(plant=[*lines, "rate = 16K"], bank=bank), "--all",
                   listeners=2)
    return one, lambda rate: conf(plant=[*lines, f"rate = {rate}"], bank=bank)


def test_stop_one_tunnel(plant, ftp_server, tmp):
    """Its transfers are cut, and culvert continues without it."""
    one, _ = plant
    (ftp_server.root / tmp.name / "file").write_bytes(os.urandom(SIZE))
    with Ftp(one, ftp_server) as ftp, Ftp(one, ftp_server) as up:
        data = ftp.begin("passive", f"RETR {tmp.name}/file")
        data.read(1000)
        sent = up.begin("passive", f"STOR {tmp.name}/stored")
        send_all(sent, os.urandom(SIZE))
        run(one, "stop", "plant")
        assert len(data.expect_reset()) < SIZE - 1000
        for control in ftp, up:
            no_success(replies_to_end(control))
    assert one.alive()


def test_other_rate(plant, ftp_server, tmp):
    """A reload with another rate: running transfers end at their own."""
    one, change = plant
    content = os.urandom(SIZE)
    (ftp_server.root / tmp.name / "file").write_bytes(content)
    with Ftp(one, ftp_server) as ftp, Ftp(one, ftp_server) as up:
        data = ftp.begin("passive", f"RETR {tmp.name}/file")
        sent = up.begin("passive", f"STOR {tmp.name}/stored")
        send_all(sent, content)
        change("1M")
        reload(one, "1 tunnel unchanged, 1 removed, 1 new")
        assert data.read_all() == content
        data.close()
        ftp.expect("226")
        up.expect("226")
        sent.close()
        wait_size(ftp_server.root / tmp.name / "stored", SIZE)
