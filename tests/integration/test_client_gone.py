"""A client that has gone while its server is silent: the session ends.

Soon where it is known to be dead; where it has only half-closed, when nothing
has moved for long, and sooner while culvert drains.
"""

import contextlib
import json
import signal
import time

import pytest

import limits
import scripted
from interposer import Faults
from process import FAILSAFE, count_fds, until
from scripted import Listener
from test_reconnect import go_away
from sessions import Session
from test_status import status_of

# Checks until the client counts as dead, and the server's replies to ABOR.
SOON = (2 * limits.LIMIT_CLIENT_LOOK_MS + 2 * limits.LIMIT_CUT_UPLOAD_MS) \
    / 1000 + FAILSAFE


def sessions_of(culvert):
    """How many sessions culvert has, as its status has it."""
    return sum(len(tunnel["sessions"])
               for destination in status_of(culvert)["destinations"]
               for tunnel in destination["tunnels"])


class Stage(Session):
    """A session at the point where it is left; all but the client is closed."""

    def __init__(self, one, stack, log_in=True):
        super().__init__(one.culvert, one.listener, one.ns)
        stack.callback(self.close)
        self.mine = self.theirs = None  # the ends of its data connection
        self.transfers = 0
        if log_in:
            self.answered(None, "220 scripted")
            self.answered("USER tester", "230 come in")

    def send(self, command):
        """Send a command, which the server gets and does not answer."""
        self.transfers += command == "RETR file"
        self.command(command)

    def answered(self, command, reply):
        """The same, and it is answered; without a command, it greets."""
        if command:
            self.send(command)
        self.server.reply(reply)
        self.client.expect(reply)

    def stand_still(self, mode, command):
        """Begin a transfer, of which some bytes arrive; returns the stage."""
        self.transfers += 1
        self.mine, self.theirs = self.data(mode, command)
        ends = [self.theirs, self.mine]
        source, sink = ends if command.startswith("RETR") else ends[::-1]
        source.send_to(sink, b"some")
        return self


def greeting(one, stack):
    """It has not said a word yet."""
    return Stage(one, stack, log_in=False)


def unread(one, stack):
    """Its commands are not read any more, since none is answered."""
    stage = Stage(one, stack, log_in=False)
    stage.client.sock.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while True:
            stage.client.send(b"NOOP\r\n" * 1000)
    return stage


def command(one, stack):
    """It does not answer a command."""
    stage = Stage(one, stack)
    stage.send("STAT")
    return stage


def quitting(one, stack):
    """Nor QUIT."""
    stage = Stage(one, stack)
    stage.send("QUIT")
    return stage


def requested(one, stack):
    """Nor PORT, behind which commands wait."""
    stage = Stage(one, stack)
    stage.client.command("PORT 127,0,0,1,200,1", "STOR file", "QUIT")
    stage.server.read_command("PORT")
    return stage


def retrieve(one, stack):
    """Nor RETR."""
    stage = Stage(one, stack)
    listener = stack.enter_context(Listener(one.ns))
    stage.send("PASV")
    stage.server.reply(f"227 ({listener.port_argument()})")
    stage.mine = scripted.dial(
        *scripted.parse_port(stage.client.expect("227")))
    stage.theirs = stack.enter_context(listener.accept())
    stage.send("RETR file")
    return stage


def without_data(one, stack):
    """Nor RETR, without a data connection."""
    stage = Stage(one, stack)
    stage.send("RETR file")
    return stage


def download(one, stack):
    """A download stands still."""
    return Stage(one, stack).stand_still("passive", "RETR file")


def held(one, stack):
    """A 226 is held, and the end of the data does not come."""
    stage = download(one, stack)
    stage.server.reply("226 done")
    return stage


def upload(one, stack):
    """An upload stands still."""
    return Stage(one, stack).stand_still("active", "STOR file")


def stored(one, stack):
    """The server does not say what has become of a whole upload."""
    stage = upload(one, stack)
    stage.mine.half_close()
    return stage


def opaque(one, stack):
    """What is said is encrypted."""
    stage = Stage(one, stack)
    stage.answered("AUTH TLS", "234 go on")
    stage.client.send(b"\x16\x03\x01")
    stage.server.expect_bytes(b"\x16\x03\x01")
    return stage


STAGES = [greeting, unread, command, quitting, requested, retrieve,
          without_data, download, held, upload, stored, opaque]


@pytest.fixture
def one(session, tmp):
    """A session beside those that are left, and its culvert."""
    return session(options=["--allow-tls", "-v", "--max-lines", "1000000",
                            "--transfer-log", str(tmp / "log")])


def leave(stage, end):
    """End control and data as a client that has gone does."""
    for wire in (stage.mine, stage.client):
        if wire is not None:
            getattr(wire, end)()


@pytest.mark.timeout(SOON + 120)
def test_gone(one, tmp):
    """Closed or reset, at each stage: no session and no descriptor is left.

    Each transfer has a record, and none was complete.
    """
    with contextlib.ExitStack() as stack:
        # Far listeners stay open.
        most = count_fds(one.culvert.pid) + limits.LIMIT_IDLE_FORWARDS
        left = [(stage(one, stack), end) for stage in STAGES
                for end in ("close", "reset")]
        assert sessions_of(one.culvert) == len(left) + 1
        for stage, end in left:
            leave(stage, end)
        until(lambda: sessions_of(one.culvert) == 1, "only one is left", SOON)
        until(lambda: count_fds(one.culvert.pid) <= most, "descriptors")
    one.command("NOOP")
    records = [json.loads(line)
               for line in (tmp / "log").read_text().splitlines()]
    assert len(records) == sum(stage.transfers for stage, _ in left)
    for record in records:
        assert record["outcome"] == (
            "truncated" if record["verb"] == "STOR" else "aborted"), record
        assert record["client_reply"] != 226, record


@pytest.mark.timeout(SOON + 120)
def test_half_closed_while_draining(one):
    """Half-closed and alive, at each stage: it ends when culvert drains."""
    with contextlib.ExitStack() as stack:
        left = [stage(one, stack) for stage in STAGES if stage is not unread]
        for stage in left:
            stack.callback(stage.client.close)
            if stage.mine is not None:
                stack.callback(stage.mine.close)
            stage.client.half_close()
        one.culvert.process.send_signal(signal.SIGUSR1)
        assert one.culvert.process.wait(SOON) == 0


@pytest.mark.timeout(120)
def test_half_closed_and_moving(one):
    """A download of a half-closed client continues while data move, also while
    draining, for longer than the time-out of a session without data.
    """
    with contextlib.ExitStack() as stack:
        stage = download(one, stack)
        stage.client.half_close()
        one.client.close()
        one.culvert.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 2 + \
            (limits.LIMIT_DRAIN_MS + limits.LIMIT_CLIENT_LOOK_MS) / 1000
        while time.monotonic() < deadline:
            stage.theirs.send(b"x")
            stage.mine.expect_bytes(b"x")
            time.sleep(1)  # the pace of a slow server
        stage.theirs.close()
        stage.mine.expect_end()
        stage.mine.close()
        stage.say("226 done")
        stage.client.close()
        stage.server.close()
        assert one.culvert.process.wait(SOON) == 0


@pytest.mark.timeout(SOON + 60)
def test_gone_from_afar(ns, start_culvert):
    """The same in a remote tunnel, with sshd in between."""
    with Listener(kind=scripted.Control) as listener:
        one = start_culvert(remotes=[f"0:127.0.0.1:{listener.port}"],
                            options=["-v"])
        client = scripted.client(*one.listeners[0], side=ns)
        with listener.accept() as server:
            server.reply("220 scripted")
            client.expect("220")
            client.command("STAT")
            server.expect_command("STAT")
            client.close()
            one.process.send_signal(signal.SIGUSR1)
            assert one.process.wait(SOON) == 0


@pytest.mark.parametrize("end", ["half_close", "close", "reset"])
@pytest.mark.parametrize("many", [1, 40000], ids=["read", "unread"])
def test_ends_after_five_minutes(many, end, ns, tmp, start_culvert):
    """A far client that has gone, or waits: the session ends after five
    minutes. If it has sent more than culvert reads, its end cannot be seen.
    """
    faults = Faults(tmp / "faults")
    with Listener(kind=scripted.Control) as listener:
        one = start_culvert(
            remotes=[f"0:127.0.0.1:{listener.port}"], env=faults.env,
            options=["-v", "--max-lines", "1000000"])
        with scripted.client(*one.listeners[0], side=ns) as client, \
                listener.accept() as server:
            scripted.log_in(client, server)
            client.send(b"NOOP\r\n" * many)
            server.expect_command("NOOP")
            getattr(client, end)()
            # The time begins when culvert notices it, which is not logged.
            time.sleep(limits.LIMIT_CLIENT_LOOK_MS / 1000)
            assert sessions_of(one) == 1
            faults.pass_time(limits.LIMIT_HALF_CLOSED_MS / 1000)
            one.wait_log("no data is transferred any more", SOON)
            until(lambda: sessions_of(one) == 0, "it ends")


@pytest.mark.parametrize("end", ["close", "reset"])
def test_gone_while_the_link_is_down(end, ns, start_sshd, start_culvert):
    """A client that waits for the link, and goes, gives up its place."""
    sshd = start_sshd()
    with Listener(ns, kind=scripted.Control) as listener:
        one = start_culvert(
            f"0:127.0.0.1:{listener.port}", sshd=sshd, retry="forever",
            options=["--link-wait", "300", "--max-sessions", "1"])
        go_away(one, sshd)
        client = scripted.client(*one.listeners[0])
        until(lambda: status_of(one)["sessions"] == 1, "it waits")
        getattr(client, end)()
        until(lambda: status_of(one)["sessions"] == 0, "its place is free")
