"""Sessions whose client and server are scripted.

Most tests share a culvert with several tunnels (fixture `pair`); the others
start one of their own (`session`).
"""

import contextlib
import functools
import os
import pathlib
import re
import select
import signal
import time

import pytest

import culvert as culvert_module
import scripted
from culvert import bracket
from process import until
from scripted import NEAR, announcement
from transfer import no_success, replies_to_end

# The address to which the client connects, and the host of the FTP server as
# sshd gets it.
WAYS = [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::1"),
        ("::1", "127.0.0.1"), ("127.0.0.1", "localhost"),
        ("127.0.0.2", "127.0.0.1")]


@pytest.fixture(scope="session")
def _ways(ns, sshd, directories):
    """Return a culvert with a tunnel for each of WAYS, and the servers."""
    # The far "localhost" has both families; the server for it is only on ::1.
    listeners = [scripted.server(ns, "::1" if far == "localhost" else far)
                 for _, far in WAYS]
    tunnel = culvert_module.Culvert(
        directories(),
        [f"{bracket(near)}:0:{bracket(far)}:{listener.port}"
         for (near, far), listener in zip(WAYS, listeners)],
        sshd.config, options=["-vv"])
    yield tunnel, listeners
    try:
        if tunnel.alive():
            tunnel.stop()
    finally:
        tunnel.kill()
        for listener in listeners:
            listener.close()


class Session:
    """A scripted client and server with a culvert between them.

    number: the tunnel of culvert; listener: where its server accepts.  The
    server is in ns, the client on client_side; for a remote tunnel ns is NEAR
    and client_side the far network.  The attributes client and server are the
    two ends of the control connection; iterating gives these two.  Everything
    that is given to keep() is closed at the end of the test.
    """

    def __init__(self, culvert, listener, ns, number=0, client_side=NEAR):
        self.culvert, self.listener, self.ns = culvert, listener, ns
        self.client_side = client_side
        self.far = self.listener.address
        self._stack, self._tunnel = contextlib.ExitStack(), number
        self.mark = self.culvert.mark()
        self.client, self.server = map(self.keep, self.open())
        host, port = self.client.name
        self._from = f"{bracket(host)}:{port}"

    def __iter__(self):
        return iter((self.client, self.server))

    def open(self):
        """Open one more control connection: (client, server)."""
        client = scripted.client(*self.culvert.listeners[self._tunnel],
                                 side=self.client_side)
        return client, self.listener.accept()

    def check_next(self):
        """Fail unless one more session begins, up to its greeting."""
        client, server = self.open()
        with client, server:
            server.reply("220 the next")
            client.expect("220 the next")

    @functools.cached_property
    def number(self):
        """The number of the session in the log, with -v."""
        return self.culvert.wait_log(
            rf"\[(\d+)\] control connection from {re.escape(self._from)}$",
            start=self.mark)[1]

    def keep(self, thing):
        """Close a thing at the end of the test; returns it."""
        return self._stack.enter_context(thing)

    def close(self):
        """End the session."""
        self._stack.close()

    def wait_log(self, pattern):
        """Wait for a line of this session in the log."""
        return self.culvert.wait_log(rf"\[{self.number}\] .*{pattern}",
                                     start=self.mark)

    def listen(self, side, **how):
        """Return a data listener of the server, or the client."""
        address = self.far if side is self.ns else self.client.name[0]
        return self.keep(scripted.Listener(side, address, **how))

    def dial(self, to, side=None, **how):
        """Return a data connection of the client, or the server."""
        return self.keep(scripted.dial(
            *to, side=side or self.client_side, **how))

    def log_in(self):
        """Play the login."""
        scripted.log_in(self.client, self.server)
        return self

    def exchange(self, command, reply, passed=None, answer=None):
        """Play a command and its reply.

        The server must get passed, by default the command; the client must get
        answer, by default the reply.
        """
        self.client.command(command)
        return self.answer(passed or command, reply, answer)

    def answer(self, command, reply, answer=None):
        """Play the server's part of exchange(), and the client's read."""
        self.server.expect_command(command)
        self.server.reply(reply)
        return self.client.expect((answer or reply) + "\r\n")

    def passive(self, listener=None, command="PASV"):
        """Play a PASV, or EPSV on IPv6; returns (far listener, near address).

        The server announces listener, or a new one.
        """
        listener = listener or self.listen(self.ns)
        if ":" in self.far and command == "PASV":
            command = "EPSV"
        self.client.command(command)
        self.server.expect_command(command)
        if command == "EPSV":
            self.server.reply(f"229 Extended (|||{listener.port}|)")
            port = scripted.parse_epsv(self.client.expect("229 "))
            return listener, (self.client.peer[0], port)
        self.server.reply(
            f"227 Entering Passive Mode ({listener.port_argument()}).")
        address, port = scripted.parse_port(self.client.expect("227 "))
        if ":" in self.client.peer[0]:  # a 227 cannot contain it
            assert address == "0.0.0.0"
            address = self.client.peer[0]
        return listener, (address, port)

    def active(self, listener=None):
        """Play PORT, or EPRT on IPv6; returns (near listener, far address).

        If the server uses the other address family, it gets the other command;
        the reply must name the command that the client has sent.
        """
        listener = listener or self.listen(self.client_side)
        self.client.command(announcement(listener))
        to = self.announced()
        self.server.reply("200 noted")
        if (":" in listener.address) == (":" in self.far):
            self.client.expect("200 noted\r\n")
        else:
            verb = announcement(listener).partition(" ")[0]
            self.client.expect(f"200 {verb} command successful.\r\n")
        return listener, to

    def announced(self):
        """Read PORT or EPRT as the server; returns the address in it."""
        if ":" in self.far:
            return scripted.parse_eprt(self.server.read_command("EPRT"))
        return scripted.parse_port(self.server.read_command("PORT"))

    def begin(self, mode, command, **how):
        """Begin a transfer, up to its command; returns the data connection.

        As (client's end, server's end); how is for the client's end.
        """
        if mode == "passive":
            listener, to = self.passive()
            mine = self.dial(to, **how)
            theirs = self.keep(listener.accept())
        else:
            listener, to = self.active(
                self.listen(self.client_side, **how) if how else None)
        self.client.command(command)
        self.server.expect_command(command)
        if mode == "active":
            theirs = self.dial(to, self.ns)
            mine = self.keep(listener.accept())
        return mine, theirs

    def data(self, mode, command="RETR file", first="150 here it comes",
             **how):
        """The same as begin(), up to the first reply."""
        ends = self.begin(mode, command, **how)
        self.say(first)
        return ends

    def command(self, command):
        """Send a command, which must pass unchanged."""
        self.client.command(command)
        self.server.expect_command(command)

    def say(self, reply):
        """Send a reply, which must pass unchanged."""
        self.server.reply(reply)
        self.client.expect(f"{reply}\r\n")

    def transfer(self, mine, theirs, content=b"content"):
        """Play the rest of a download, and its 226."""
        theirs.send(content)
        theirs.close()
        assert mine.read_all() == content
        self.say("226 done")

    def kill_ssh(self):
        """Kill ssh, so that the link is lost."""
        os.kill(self.culvert.ssh, signal.SIGKILL)

    def expect_lost(self):
        """Fail unless culvert ends with status 1, and no reply is a success.

        Returns the replies to the client.
        """
        replies = replies_to_end(self.client)
        no_success(replies)
        assert self.culvert.process.wait() == 1
        return replies

    def goes_on(self):
        """Fail unless the next command gets its own reply."""
        self.exchange("NOOP", "200 in step")


@pytest.fixture
def pair(_ways, ns):
    """Return a function that opens a scripted session: pair(near, far).

    (near, far) is one of WAYS.  With log_in=False the test plays the greeting
    and the login.  Tests share these tunnels.  If a server refuses PORT or
    PASV, the tunnel remembers that, so use session() for such a test.
    """
    opened = []
    culvert = _ways[0]
    mark = culvert.mark()

    def start(near="127.0.0.1", far="127.0.0.1", log_in=True):
        number = WAYS.index((near, far))
        one = Session(culvert, _ways[1][number], ns, number)
        opened.append(one)
        return one.log_in() if log_in else one

    yield start
    try:
        for one in opened:
            one.close()
            one.wait_log("ended$")
    finally:
        # pytest shows this when the test fails.
        print(*culvert.process.lines[mark:], sep="\n")
        culvert.check()
        assert culvert.alive()


@pytest.fixture
def session(ns, start_culvert):
    """Return a function like pair(), but with a new culvert.

    session(near, far, log_in=True, **how); how: arguments of start_culvert.
    """
    with contextlib.ExitStack() as stack:
        def start(near="127.0.0.1", far="127.0.0.1", log_in=True, **how):
            listener = stack.enter_context(
                scripted.server(ns, "::1" if far == "localhost" else far))
            tunnel = start_culvert(
                f"{bracket(near)}:0:{bracket(far)}:{listener.port}", **how)
            one = Session(tunnel, listener, ns)
            one.number = 1  # without -v, too
            stack.callback(one.close)
            return one.log_in() if log_in else one

        yield start


@pytest.fixture
def remote_session(ns, start_culvert):
    """Return a function like session(), but with a remote tunnel."""
    with contextlib.ExitStack() as stack:
        def start(**how):
            listener = stack.enter_context(
                scripted.Listener(kind=scripted.Control))
            tunnel = start_culvert(
                remotes=[f"0:127.0.0.1:{listener.port}"], **how)
            one = Session(tunnel, listener, NEAR, client_side=ns)
            stack.callback(one.close)
            return one.log_in()

        yield start


def quiet(wire, seconds=0.15):
    """Return whether nothing arrives for some time."""
    return not wire._buffer and not select.select([wire.sock], [], [],
                                                  seconds)[0]


@contextlib.contextmanager
def within(seconds):
    """Fail if the context takes longer."""
    begin = time.monotonic()
    yield
    taken = time.monotonic() - begin
    assert taken < seconds, f"{taken:.2f} s, not {seconds}"


def _listening():
    """Yield (port, inode) of the listening sockets in our network."""
    for name in "tcp", "tcp6":
        for line in pathlib.Path("/proc/net", name).read_text() \
                .splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                yield int(words[1].rpartition(":")[2], 16), words[9]


def is_listening(port):
    """Return whether something listens on that port in our network."""
    return any(port == each for each, _ in _listening())


def ports_of(pid):
    """Return the ports on which a process listens."""
    own = set()
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            own.add(str(path.readlink()))
    return {port for port, inode in _listening()
            if f"socket:[{inode}]" in own}


def refused(to, side=NEAR):
    """Return whether connections there are refused."""
    try:
        scripted.dial(*to, side=side).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the listener is being closed
    return False


def wait_refused(to, side=NEAR):
    """Wait until connections there are refused."""
    until(lambda: refused(to, side), f"{to} is refused")
