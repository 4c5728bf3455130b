"""Limits on sessions: each with a reply.

Memory and slow peers are in test_bounds.py and test_hostile.py.
"""

import contextlib
import resource
import subprocess
import time

import pytest

import limits
import scripted
from scripted import NEAR
from sessions import Session
from process import count_fds, until
from servers import NOBODY, PYTHON
from transfer import Ftp, modes, replies_to_end

# A client of another user: connects and prints what it gets.
OTHER = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20,
                              (sys.argv[3], 0)) as one:
    one.settimeout(20)
    while data := one.recv(4096):
        sys.stdout.write(data.decode())
        if data.startswith(b"220"):
            break
"""


def other_user(host, port, source=""):
    """Return what a process of another user is told there, whose socket is
    bound to an address.
    """
    child = subprocess.run(
        [PYTHON, "-c", OTHER, host, str(port), source], timeout=30,
        capture_output=True, user=NOBODY, group=NOBODY, extra_groups=[],
        cwd="/")
    return (child.stdout + child.stderr).decode()


def refused(one, number=0):
    """Return the one reply that one more client gets."""
    with scripted.client(*one.culvert.listeners[number]) as client:
        replies = replies_to_end(client)
    assert len(replies) == 1, replies
    return replies[0]


# ---- who ----

@pytest.mark.parametrize("near", ["127.0.0.1", "::1"])
def test_other_user(near, session):
    """Over loopback only the user who runs culvert has a session."""
    one = session(near=near)
    assert other_user(*one.culvert.listeners[0]) == \
        "421 Only the user who runs culvert is allowed here.\r\n"
    one.culvert.wait_log(
        rf"refused a client from .*: it belongs to user id {NOBODY}, culvert"
        " to user id 0; --any-user accepts connections of all users")
    one.check_next()


def test_other_user_with_an_address_of_the_host(session, ns):
    """Its own end need not be a loopback address."""
    one = session()
    assert other_user(*one.culvert.listeners[0], ns.near4) == \
        "421 Only the user who runs culvert is allowed here.\r\n"
    one.culvert.wait_log(
        rf"refused a client from {ns.near4}:\d+: it belongs to user id")


def test_other_user_with_any_user(session):
    """--any-user permits it."""
    one = session(options=["--any-user"])
    said = scripted.start(other_user, *one.culvert.listeners[0])
    with one.listener.accept() as server:
        server.reply("220 come in")
        assert said.result(30) == "220 come in\r\n"


# ---- how many ----

def test_per_address(session):
    """--max-per-address counts one address only."""
    one = session(options=["--max-per-address", "1"])
    assert refused(one) == ("421 Too many connections from your address, try"
                            " again later.\r\n")
    one.culvert.wait_log("as many as --max-per-address allows")
    with scripted.dial(*one.culvert.listeners[0], kind=scripted.Control,
                       source=("127.0.0.2", 0)) as client, \
            one.listener.accept() as server:
        server.reply("220 another")
        client.expect("220")


def check_left_out(culvert, warning, count):
    """End culvert; it has logged a warning so often as it may, and a count."""
    culvert.stop()
    assert culvert.output.count(warning) == limits.LIMIT_LOG_WARNINGS
    assert f"{count} more warnings of this kind were not logged" in \
        culvert.output


def test_refusals_are_counted(session):
    """Refusals that are not logged are counted at the end at the latest."""
    one = session(options=["--max-per-address", "1"])
    more = 5
    for _ in range(limits.LIMIT_LOG_WARNINGS + more):
        refused(one)
    for wire in one:
        wire.close()
    check_left_out(one.culvert, "refused a client from", more)


def test_logins(session):
    """--max-logins counts a session until its login or its end."""
    one = session(log_in=False, options=["--max-logins", "1"])
    assert refused(one).startswith("421 Too many connections without a login")
    one.culvert.wait_log("as many as --max-logins allows")
    one.log_in()
    second = one.open()
    assert refused(one).startswith("421")
    for wire in second:
        wire.close()

    def room():
        with scripted.client(*one.culvert.listeners[0]) as client:
            if client.read_reply().startswith("421"):
                return False
            return True

    def greet():
        with one.listener.accept() as server:
            server.reply("220 again")
    greeting = scripted.start(greet)
    until(room, "there is room again")
    greeting.result(20)


def test_data_connections(session):
    """--max-data 1: a second one while the first is in use gets 425."""
    one = session(options=["--max-data", "1"])
    near, far = one.data("passive", "RETR file")
    with near, far, scripted.Listener(one.ns) as listener:
        one.command("PASV")
        one.server.reply(f"227 ({listener.port_argument()})")
        one.client.expect("425 No data connection")
        far.send(b"whole")
        far.close()
        near.expect_bytes(b"whole")
        near.expect_end()
    one.say("226 done")


@modes
def test_flood_of_requests(mode, server, start_culvert, tmp):
    """Hundreds of PORT or PASV at once: the server is not blamed for a 425.

    Nor is anything remembered: the next session has the mode it wants.
    """
    ftpd = server("vsftpd")
    (ftpd.mkdir(tmp.name) / "file").write_bytes(b"content")
    one = start_culvert(f"0:127.0.0.1:{ftpd.port}", options=["-v"])
    with scripted.Listener() as listener, Ftp(one, ftpd) as ftp:
        request = "PASV" if mode == "passive" else \
            f"PORT {listener.port_argument()}"
        ftp.fetch(mode, f"RETR {tmp.name}/file")  # a good variant
        mark = one.mark()
        replies = set()
        # A server that is fast enough answers each of them in time.
        for _ in range(1 if mode == "passive" else 20):
            ftp.command(*[request] * 300)
            replies |= {ftp.read_reply()[:4] for _ in range(300)}
            if "425 " in replies:
                break
        assert replies <= {"200 ", "227 ", "425 "}
        assert mode == "passive" or "425 " in replies
        ftp.exchange("NOOP", "200")
    with Ftp(one, ftpd) as ftp:
        assert ftp.fetch(mode, f"RETR {tmp.name}/file") == b"content"
    said = "\n".join(one.process.lines[mark:])
    # vsftpd closes its port at the next PASV, which may be refused then.
    blamed = "the server" if mode == "active" else "from now on"
    assert blamed not in said, said
    assert mode == "passive" or \
        "no data connection for PORT: the session has reached --max-data" \
        in said


def test_descriptors(start_culvert, ns, sshd):
    """The limit is enough for --max-sessions with most descriptors each."""
    most, some = 60, 8
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, old[1]))
    try:
        listener = scripted.Listener(kind=scripted.Control)
        one = start_culvert(remotes=[f"0:127.0.0.1:{listener.port}"],
                            options=["--max-sessions", str(most)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    before = count_fds(one.pid)
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener)
        for _ in range(some):
            far = Session(one, listener, NEAR, client_side=ns)
            stack.callback(far.close)
            far.log_in().data("passive")
        each = (count_fds(one.pid) - before) / some
    assert each > 2
    limit = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)[0]
    assert before + most * each <= limit, (before, each, limit)


def test_refused_flood(session):
    """Refused clients that stay use only a few descriptors."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, old[1]))
    try:
        one = session(options=["--max-per-address", "1",
                               "--max-sessions", "10"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    ends = set()
    with contextlib.ExitStack() as stack:
        flood = []
        for _ in range(400):
            try:
                flood.append(stack.enter_context(
                    scripted.client(*one.culvert.listeners[0])))
            except ConnectionResetError:
                ends.add("reset")
        near, far = one.data("passive", "RETR file")
        one.transfer(near, far, b"whole")
        for client in flood:
            try:
                ends.add("".join(replies_to_end(client))[:3])
            except ConnectionResetError:
                ends.add("reset")
    # Some still get the reason.
    assert ends == {"421", "reset"}
    assert "has to wait" not in one.culvert.output


# ---- how long ----

def test_no_login(session):
    """A client that never logs in gets 421 after the time."""
    one = session(log_in=False, options=["--login-timeout", "1"])
    one.say("220 ready")
    one.exchange("NOOP", "200 ok")
    one.client.expect("421 Nobody has logged in for 1 s")
    one.client.expect_end()
    one.server.expect_end()
    one.culvert.wait_log("Nobody has logged in for 1 s: the session ends"
                         r" \(--login-timeout\)")


def test_no_greeting(session):
    """So does one whose server sends nothing."""
    one = session(log_in=False, options=["--login-timeout", "1"])
    one.client.expect("421 The FTP server has said nothing for 1 s")
    one.client.expect_end()
    one.server.expect_end()


def test_login_in_time(session):
    """After the login a client may be idle without a limit."""
    one = session(options=["--login-timeout", "1"])
    second = one.open()  # whose time begins later
    second[0].expect("421")
    one.command("PWD")
    one.server.reply('257 "/"')
    one.client.expect("257")


# ---- how fast ----

def test_lines(session):
    """--max-lines: more commands wait, none is lost, one log line."""
    one = session(options=["--max-lines", "5"])
    begun = time.monotonic()
    one.client.command(*[f"NOOP {n}" for n in range(14)])
    for n in range(14):
        one.server.expect_command(f"NOOP {n}")
        one.server.reply(f"200 {n}")
    assert time.monotonic() - begun >= 1
    for n in range(14):
        one.client.expect(f"200 {n}")
    one.culvert.wait_log("sends more than 5 commands a second")
    assert one.culvert.output.count("commands a second") == 1


def test_lines_in_time(session):
    """A client below the limit is not logged, however long it sends."""
    one = session(options=["--max-lines", "2"])
    for _ in range(4):
        time.sleep(1)  # what is asked for is a rate
        one.exchange("NOOP", "200 ok")
    assert "commands a second" not in one.culvert.output
