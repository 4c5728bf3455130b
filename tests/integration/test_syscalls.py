"""What culvert makes of system calls that fail, and of memory that is short.

For each kind of failure real transfers are made while it happens, again and
again.  Each comes to its good end, with the right bytes, or is reported as
failed: by a reply, or by the end of control.  culvert lives on, and does not
turn in circles; once it is over, the next session works.
"""

import contextlib
import os
import resource
import select
import socket

import pytest

import scripted
from culvert import sanitized
from interposer import Faults
from process import FAILSAFE, count_fds, until
from transfer import MODES, Ftp

SIZE = 150_000

# A client has a minute to connect; one that was refused by mistake hears of it
# then, if it waits for so long after its data connection was reset.
LONG = 60 + FAILSAFE

# Of the loop, in an attempt: many times what was seen.
TURNS = 3000
SOON = 3

# Transfers of one attempt: both directions in both modes.
EACH = [(mode, upload) for upload in (False, True) for mode in MODES]


class Reported(Exception):
    """A transfer has failed, and its client knows."""


class Bench:
    """A culvert whose calls can be made to fail, and a server behind it."""

    def __init__(self, start_culvert, server, tmp):
        self.server, self.dir = server, server.mkdir(tmp.name)
        self.faults = Faults(tmp / "rules")
        self.culvert = start_culvert(
            f"0:127.0.0.1:{server.port}", env=self.faults.env, options=["-v"],
            retry="forever")
        self.content = os.urandom(SIZE)
        (self.dir / "file").write_bytes(self.content)
        self._number = 0

    def attempt(self):
        """Open a session and make a transfer of each kind.

        Returns how many were good, and how many were reported as failed; of
        a session that ends, the rest was.  However long it takes, the loop
        turns for events only.
        """
        good = 0
        if not self.faults.is_set("epoll"):
            self.faults.set("epoll", "EINTR", left=0)  # to be counted
        with contextlib.suppress(Reported, ConnectionError), \
                scripted.client(*self.culvert.listeners[0]) as control:
            control.sock.settimeout(LONG)
            self._log_in(control)
            for mode, upload in EACH:
                with contextlib.suppress(Reported):
                    self._transfer(control, mode, upload)
                    good += 1
        turns = self.faults.calls("epoll")
        print(f"{turns} turns")
        assert turns < TURNS, f"the loop has turned {turns} times"
        return good, len(EACH) - good

    def _log_in(self, control):
        # What is logged before the greeting, and a line of more than what
        # the engine has room for at first, are allocations of their own.
        control.command("AUTH TLS")
        for command, start in ((None, "220"), (None, "534"),
                               (f"USER {self.server.user}", "331"),
                               (f"PASS {self.server.password}", "230"),
                               (f"SITE {'x' * 600}", "5"), ("TYPE I", "200")):
            self._ask(control, command, start)

    def _ask(self, control, command, start):
        if command:
            control.command(command)
        reply = control.read_reply()
        if not reply or reply.startswith("421"):
            raise ConnectionResetError("the session has ended")
        if not reply.startswith(start):
            assert reply[0] in "45", f"{command} was answered with {reply!r}"
            raise Reported(reply)
        return reply

    def _transfer(self, control, mode, upload):
        self._number += 1
        name = f"stored-{self._number}" if upload else "file"
        command = f"{'STOR' if upload else 'RETR'} {self.dir.name}/{name}"
        with contextlib.ExitStack() as stack:
            if mode == "passive":
                to = scripted.parse_port(self._ask(control, "PASV", "227"))
                try:
                    data = stack.enter_context(scripted.dial(*to))
                except ConnectionError:
                    raise Reported("no listener") from None
                self._ask(control, command, "1")
            else:
                listener = stack.enter_context(scripted.Listener())
                self._ask(control, f"PORT {listener.port_argument()}", "200")
                control.command(command)
                data = self._accept(stack, listener, control)
            got = self._move(data, upload)
            data.close()
            # A client whose data connection was reset knows that.
            if got is None and not select.select([control.sock], [], [],
                                                 SOON)[0]:
                raise ConnectionResetError("the data connection was reset")
            self._ask(control, None, "2")
        if upload:
            got = (self.dir / name).read_bytes()
        assert got == self.content, \
            f"{command}: 2xx for {got and len(got)} of {SIZE} bytes"

    def _accept(self, stack, listener, control):
        """Wait for the data connection and the 150, or for a refusal."""
        data, begun = None, False
        while data is None or not begun:
            waits = [control.sock] + ([] if data else [listener.sock])
            # What came with the last reply is not in the socket any more.
            ready = [control.sock] if control._buffer else \
                select.select(waits, [], [], LONG)[0]
            assert ready, f"begun: {begun}, but no data connection"
            if listener.sock in ready:
                data = stack.enter_context(listener.accept())
            else:
                self._ask(control, None, "1")
                begun = True
        return data

    def _move(self, data, upload):
        """Move the data, and return them; None: they were cut."""
        try:
            if not upload:
                return data.read_all()
            data.send(self.content)
            data.half_close()
            data.expect_end()
            return self.content
        except TimeoutError:
            raise AssertionError("data stand still") from None
        except OSError:
            pass
        return None

    def check_alive(self):
        """Fail unless it works as it did, now that nothing fails any more."""
        self.faults.clear()
        assert self.culvert.alive(), self.culvert.output
        self.culvert.check()
        # The link may have to come back; not longer than a client waits.
        assert self.attempt() == (len(EACH), 0)


@pytest.fixture
def bench(start_culvert, server, tmp):
    """Return a Bench."""
    return Bench(start_culvert, server("vsftpd"), tmp)


# The call is repeated: no effect.

HARMLESS = {
    "read": ["EINTR", "EAGAIN", ""], "write": ["EINTR", "EAGAIN", ""],
    "accept": ["EINTR", "EAGAIN", "ECONNABORTED", "EMFILE", "ENFILE",
               "ENOMEM"], "connect": ["EINTR"],
    "epoll": ["EINTR"],
}


@pytest.mark.parametrize("call, error", [
    (call, error) for call, errors in HARMLESS.items() for error in errors])
def test_try_again(call, error, bench):
    """EINTR, EAGAIN and short counts cut no transfer.

    Nor does a connection that cannot be accepted yet.
    """
    for every in (7, 5, 3):  # not 2: a look at the socket each time
        bench.faults.set(call, error, every=every)
        assert bench.attempt() == (len(EACH), 0), f"each {every}th"
        assert bench.faults.count(call), "nothing has failed"
    bench.check_alive()


# A missing resource: the transfer fails, and the log says so.

HARMFUL = {
    "read": ["ENOMEM", "ECONNRESET"], "write": ["ENOMEM", "ENOBUFS"],
    "socket": ["EMFILE", "ENFILE", "ENOMEM"],
    "connect": ["ENOBUFS", "EADDRNOTAVAIL"], "bind": ["EADDRINUSE", "ENOMEM"],
}


@pytest.mark.parametrize("call, error, family", [
    (call, error, family) for call, errors in HARMFUL.items()
    for error in errors for family in (socket.AF_INET, socket.AF_UNIX)
    # Toward ssh it connects only once, before there is a link.
    if (call, family) != ("connect", socket.AF_UNIX)])
def test_other_errors(call, error, family, bench):
    """Errors are reported by a reply or the end of the session."""
    failed = 0
    for every in (11, 5, 2):
        bench.faults.set(call, error, family=family, every=every)
        good, reported = bench.attempt()
        print(f"each {every}th: {good} good, {reported} reported,"
              f" {bench.faults.count(call)} of {bench.faults.calls(call)}")
        failed += bench.faults.count(call)
        bench.faults.clear()
    assert failed, "nothing has failed"
    bench.check_alive()


def test_no_descriptors(bench):
    """Without a free descriptor culvert continues, and does not spin."""
    with Ftp(bench.culvert, bench.server) as ftp:
        _, most = resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE,
                         (count_fds(bench.culvert.pid), most))
        for call in "accept", "epoll":
            bench.faults.set(call, "EINTR", left=0)  # to be counted
        with scripted.client(*bench.culvert.listeners[0]):
            for _ in range(200):
                ftp.exchange("NOOP", "200")
            # Some for each command, and none while waiting.
            assert bench.faults.calls("epoll") < 200 * 10
            assert bench.faults.calls("accept") < 200
            ftp.command("PASV")
            assert ftp.read_reply()[0] in "24"
        bench.culvert.wait_log(
            r": Too many open files; raise the limit \(ulimit -n, "
            r"LimitNOFILE= of the service\) or lower --max-sessions$")
        resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE,
                         (most, most))
    bench.check_alive()


def test_last_descriptor(bench):
    """The user of a data connection is found without a descriptor."""
    with Ftp(bench.culvert, bench.server) as ftp:
        soft = resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE)
        to = scripted.parse_port(ftp.exchange("PASV", "227"))
        resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE,
                         (count_fds(bench.culvert.pid) + 1, soft[1]))
        with scripted.dial(*to) as data:
            ftp.exchange(f"RETR {bench.dir.name}/file", "150")
            assert data.read_all() == bench.content
            data.close()
            ftp.expect("226")
        resource.prlimit(bench.culvert.pid, resource.RLIMIT_NOFILE, soft)
    assert "--any-user" not in bench.culvert.output
    bench.check_alive()


@pytest.mark.skipif(sanitized(), reason="a sanitizer has its own malloc")
@pytest.mark.parametrize("first", range(4))
def test_each_allocation(first, bench):
    """Each allocation of a session and its transfers fails in turn."""
    number = first
    while True:
        bench.faults.set("malloc", skip=number, left=1)
        bench.attempt()
        if not bench.faults.count("malloc"):
            break
        number += 4
    print(f"{bench.faults.calls('malloc')} allocations")
    bench.check_alive()


@pytest.mark.skipif(sanitized(), reason="a sanitizer has its own malloc")
def test_no_memory_for_one_more(bench):
    """The loop has room for as many descriptors as permitted.

    It would grow by itself, but end the program if it cannot.
    """
    with contextlib.ExitStack() as stack:
        # Without room it would grow at 31 descriptors.
        while count_fds(bench.culvert.pid) < 27:
            one = stack.enter_context(
                scripted.client(*bench.culvert.listeners[0]))
            one.expect("220")
        for _ in range(6):
            for most in range(8):
                bench.faults.set("malloc", skip=most)
                with contextlib.suppress(ConnectionError), \
                        scripted.client(*bench.culvert.listeners[0]) as one:
                    until(lambda: bench.faults.count("malloc"), "a failure")
                    del one
                bench.faults.clear()
                assert bench.culvert.alive(), bench.culvert.output
            one = stack.enter_context(
                scripted.client(*bench.culvert.listeners[0]))
            one.expect("220")
    bench.check_alive()


@pytest.mark.skipif(sanitized(), reason="a sanitizer has its own malloc")
@pytest.mark.parametrize("every", [2, 5, 23])
def test_hardly_any_memory(every, bench):
    """Many allocations fail: what succeeds is right."""
    bench.faults.set("malloc", every=every)
    for _ in range(5):
        bench.attempt()
    assert bench.faults.count("malloc")
    bench.check_alive()
