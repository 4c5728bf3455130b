"""Sockets and the journal of systemd.

No systemd runs here: the test opens the sockets and hands them over, and is
what journald is, on a socket where its own would be.
"""

import os
import re
import signal
import socket

import pytest

import as_service
import culvert
import netns
import scripted
from process import FAILSAFE, Process, until
from test_drain import scrape
from test_status import download, run
from test_up import conf, fetch, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


@pytest.fixture
def listening():
    """Return a function that makes a listening socket, as systemd does."""
    made = []

    def make(address="127.0.0.1", family=socket.AF_INET):
        sock = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY,
                            address != "::")
        sock.bind((address, 0))
        sock.listen()
        made.append(sock)
        return sock

    yield make
    for sock in made:
        sock.close()


def port_of(sock):
    """Its port."""
    return sock.getsockname()[1]


@pytest.fixture
def start_with(start_up):
    """Return a function that starts culvert up with these sockets."""
    def start(path, *names, sockets=(), journal=None, **how):
        return start_up(path, *names, **how,
                        wrap=as_service.argv(sockets, journal),
                        pass_fds=[sock.fileno() for sock in sockets])
    return start


def at(sock, sshd, server, bind="127.0.0.1", more=()):
    """Lines of a tunnel that listens where the socket does."""
    return ["destination = files.test", f"F = {sshd.config}",
            f"L = {bind}:{port_of(sock)}:127.0.0.1:{server.port}", *more]


@pytest.mark.parametrize("address, family, bind, more", [
    ("127.0.0.1", socket.AF_INET, "127.0.0.1", []),
    ("::1", socket.AF_INET6, "[::1]", []),
    ("::", socket.AF_INET6, "*", ["allow = 127.0.0.1"]),
    ("0.0.0.0", socket.AF_INET, "*", ["allow = 127.0.0.1"]),
], ids=["ipv4", "ipv6", "all", "all-ipv4"])
def test_taken(address, family, bind, more, conf, sshd, ftp_server, listening,
               start_with, tmp):
    """A tunnel uses the socket of systemd, and FTP works through it."""
    sock = listening(address, family)
    one = start_with(conf(plant=at(sock, sshd, ftp_server, bind, more)),
                     "plant", sockets=[sock])
    assert one.port == port_of(sock)
    if address in ("::", "0.0.0.0"):
        one.listeners = [("127.0.0.1", one.port)]
    if address == "::1":
        with Ftp(one, ftp_server) as ftp:
            ftp.exchange("EPSV", "229")
        return
    for mode in ("passive", "active"):
        fetch(one, 0, ftp_server, tmp.name, mode)


def test_several(conf, sshd, ftp_server, listening, start_with, tmp):
    """Each tunnel uses its own socket; a tunnel without one makes one."""
    socks = [listening(), listening()]
    one = start_with(conf(plant=at(socks[1], sshd, ftp_server),
                          bank=at(socks[0], sshd, ftp_server),
                          mill=to(sshd, ftp_server)),
                     "--all", listeners=3, sockets=socks)
    for number in range(3):
        fetch(one, number, ftp_server, tmp.name)


def test_nobody_is_refused(conf, sshd, ftp_server, listening, start_with):
    """A client that connects between two culverts waits for the second."""
    sock = listening()
    path = conf(plant=at(sock, sshd, ftp_server))
    one = start_with(path, "plant", sockets=[sock])
    one.stop()
    with scripted.client(*one.listeners[0]) as client:
        start_with(path, "plant", sockets=[sock])
        client.expect("220")


@pytest.mark.parametrize("metrics", ["port", "path"])
@pytest.mark.parametrize("activated", [False, True], ids=["own", "activated"])
def test_successor(activated, metrics, conf, sshd, ftp_server, listening,
                   start_with, tmp):
    """culvert drain, and the next culvert up while a transfer still runs."""
    place = {"port": ("127.0.0.1", netns.Here.free_port()),
             "path": f"{tmp}/metrics"}[metrics]
    socks = [listening()] if activated else []
    port = port_of(socks[0]) if activated else netns.Here.free_port()
    path = conf(
        [f"metrics = 127.0.0.1:{place[1]}" if metrics == "port"
         else f"metrics = unix:{place}", f"transfer-log = {tmp}/log"],
        plant=["destination = files.test", f"F = {sshd.config}",
               f"L = {port}:127.0.0.1:{ftp_server.port}"])
    one = start_with(path, "plant", sockets=socks)
    with download(one, ftp_server, tmp) as (ftp, data):
        run(one, "drain")
        one.wait_log("stopping when all transfers have ended")
        second = start_with(path, "plant", sockets=socks)
        assert "culvert_build_info" in scrape(place)
        fetch(second, 0, ftp_server, tmp.name)
        assert re.search(r'culvert_transfers_total{.*"complete".*} 1\n',
                         scrape(place)), scrape(place)
        assert one.alive()
        data.read_all()
        ftp.expect("226")
    assert one.process.wait() == 0, one.output
    # It has removed nothing that its successor uses.
    assert "culvert_build_info" in scrape(place)
    fetch(second, 0, ftp_server, tmp.name)
    until(lambda: (tmp / "log").read_text().count('"complete"') == 3,
          "all three are recorded")


def test_reload(conf, sshd, ftp_server, listening, start_with, tmp):
    """A tunnel that is removed and added again gets its socket again."""
    sock = listening()
    bank = to(sshd, ftp_server)
    path = conf(plant=at(sock, sshd, ftp_server), bank=bank)
    one = start_with(path, "--all", listeners=2, sockets=[sock])
    for tunnels, said in (({}, "0 new"),
                          ({"plant": at(sock, sshd, ftp_server)}, "1 new")):
        conf(bank=bank, **tunnels)
        place = one.mark()
        one.process.send_signal(signal.SIGHUP)
        one.wait_log(f"reloaded; .* {said}", start=place)
    one.listeners = [("127.0.0.1", port_of(sock))]
    fetch(one, 0, ftp_server, tmp.name)


def test_unused_socket(conf, sshd, ftp_server, listening, start_with):
    """A socket that no tunnel uses is an error, and the message has the fix.
    """
    sock = listening()
    one = start_with(conf(plant=to(sshd, ftp_server)), "plant",
                     sockets=[sock], listeners=None)
    assert one.process.wait() == 1
    one.wait_log(f"the service manager listens on 127.0.0.1:{port_of(sock)}, "
                 "but no tunnel does .ListenStream= must be the address "
                 "and port of a -L.$")
    one.check_nothing_left()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_no_listener(kind, conf, sshd, ftp_server, start_with):
    """A socket that does not listen is an error."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        one = start_with(conf(plant=to(sshd, ftp_server)), "plant",
                         sockets=[sock], listeners=None)
        assert one.process.wait() == 1
    one.wait_log("socket 1 of the service manager does not listen for TCP")


def test_of_another_process(conf, sshd, ftp_server, start_up):
    """LISTEN_FDS for another process is ignored."""
    env = {"LISTEN_FDS": "5", "LISTEN_PID": "1"}
    start_up(conf(plant=to(sshd, ftp_server)), "plant", env=env)


def test_not_for_ssh(conf, sshd, ftp_server, listening, start_with, tmp):
    """ssh gets neither the sockets nor the variables."""
    script = tmp / "ssh"
    script.write_text('#!/bin/sh\nenv | grep ^LISTEN_ >&2\n'
                      'ls -l /proc/self/fd >&2\nexec ssh "$@"\n')
    script.chmod(0o755)
    sock = listening()
    one = start_with(conf(plant=at(sock, sshd, ftp_server,
                                   more=[f"ssh = {script}"])),
                     "plant", sockets=[sock])
    with Ftp(one, ftp_server) as ftp:
        ftp.exchange("NOOP", "200")
    assert "-> /" in one.output and "LISTEN_" not in one.output
    inode = os.fstat(sock.fileno()).st_ino
    assert f"socket:[{inode}]" not in one.output


def test_systemd_socket_activate(conf, sshd, ftp_server, tmp):
    """systemd-socket-activate: the first client starts culvert."""
    port = netns.Here.free_port()
    path = conf(plant=["destination = files.test", f"F = {sshd.config}",
                       f"L = {port}:127.0.0.1:{ftp_server.port}"])
    one = Process(["systemd-socket-activate", "-l", f"127.0.0.1:{port}",
                   "--setenv", f"TMPDIR={tmp}", "--setenv", f"HOME={tmp}",
                   culvert.PROGRAM, "up", "-f", str(path), "plant"])
    try:
        one.wait_line("Listening on")
        one.listeners = [("127.0.0.1", port)]
        with Ftp(one, ftp_server) as ftp:
            ftp.exchange("NOOP", "200")
        assert "culvert: plant: listening on" in one.output
        assert one.stop() == 0
    finally:
        one.kill()


# ---- the journal ----

class Journal:
    """journald's end of its socket."""

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(directory / "socket"))
        self.sock.settimeout(FAILSAFE)

    def next(self):
        """The fields of the next entry."""
        lines = self.sock.recv(65536).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, words):
        """The first entry whose message matches."""
        while True:
            entry = self.next()
            if re.search(words, entry["MESSAGE"]):
                return entry


@pytest.fixture
def journal(tmp):
    """A journald."""
    one = Journal(tmp / "journal")
    yield one
    one.sock.close()


def test_fields(journal, conf, sshd, ftp_server, start_with):
    """An entry of the journal has its origin in fields, and nothing twice."""
    one = start_with(conf(plant=to(sshd, ftp_server)), "plant",
                     journal=journal.directory, options=["-vv"],
                     listeners=None)
    entry = journal.until("listening on")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", entry["MESSAGE"])[1])
    assert re.fullmatch("plant: listening on .*", entry.pop("MESSAGE"))
    assert entry == {"SYSLOG_IDENTIFIER": "culvert", "PRIORITY": "6",
                     "TUNNEL": "plant"}
    one.listeners = [("127.0.0.1", port)]
    with Ftp(one, ftp_server) as ftp:
        ftp.exchange("NOOP", "200")
        host, own = ftp.sock.getsockname()
    entry = journal.until("control connection from")
    number = entry["SESSION"]
    assert entry == {
        "SYSLOG_IDENTIFIER": "culvert", "PRIORITY": "7", "TUNNEL": "plant",
        "SESSION": number, "PEER": f"{host}:{own}",
        "MESSAGE": f"plant: [{number}] control connection from {host}:{own}"}
    assert journal.until("-> PASS")["MESSAGE"].endswith(" PASS ****")
    assert "control connection" not in one.output  # not there, too


def test_priorities(journal, conf, sshd, ftp_server, start_with):
    """Warnings and errors have their priorities."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_with(path, "plant", journal=journal.directory, listeners=None)
    journal.until("listening on")
    path.write_text("nonsense\n")
    one.process.send_signal(signal.SIGHUP)
    assert journal.until("nothing has been changed")["PRIORITY"] == "3"
    os.kill(one.ssh, signal.SIGKILL)
    assert journal.until("was lost")["PRIORITY"] == "4"


def test_journal_ends(journal, conf, sshd, ftp_server, start_with):
    """When the journal ends, lines go to standard error."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_with(path, "plant", journal=journal.directory, listeners=None)
    journal.until("listening on")
    journal.sock.close()
    one.process.send_signal(signal.SIGHUP)
    one.wait_log("^culvert: .*: reloaded")


def test_no_journal(tmp, conf, sshd, ftp_server, start_with, start_up):
    """No journal, or standard error leads elsewhere: lines go there."""
    (tmp / "empty").mkdir()
    path = conf(plant=to(sshd, ftp_server))
    start_with(path, "plant", journal=tmp / "empty")
    start_up(path, "plant", env={"JOURNAL_STREAM": "1:1"})


def test_two_tunnels_with_one_socket(conf, sshd, ftp_server, listening, start_with):
    """Two tunnels cannot use one socket: an error, as without systemd."""
    sock = listening()
    lines = at(sock, sshd, ftp_server)
    one = start_with(conf(plant=lines, bank=lines), "--all", sockets=[sock],
                     listeners=0)
    assert one.process.wait() == 1
    one.wait_log("already listens on that address and port")


def test_taken_again(conf, sshd, ftp_server, listening, start_with, tmp):
    """A tunnel whose configuration has changed gets the same socket again."""
    sock = listening()
    lines = at(sock, sshd, ftp_server)
    one = start_with(conf(plant=lines), "--all", sockets=[sock])
    for number in range(1, 4):
        conf(plant=[*lines, f"max-data = {number}"])
        mark = one.mark()
        one.process.send_signal(signal.SIGHUP)
        one.wait_log("1 removed, 1 new", start=mark)
        fetch(one, 0, ftp_server, tmp.name)
