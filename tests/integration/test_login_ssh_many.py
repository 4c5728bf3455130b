"""--login ssh with many users at once, and in configuration files."""

import concurrent.futures
import contextlib
import ftplib
import io
import os
import time

import pytest

import cli
from login_sshd import PASSWORD
from process import until
from test_gateway_login import connect, fetch, wrong
from test_login_ssh import USERS, no_ssh, one, says, start, start_login_sshd  # noqa: F401
from test_reload import reload
from test_up import conf  # noqa: F401

# pylint: disable=redefined-outer-name

MANY = 200


def log_in(one, user, password):
    """Return a session; a login waits for those before it."""
    ftp = ftplib.FTP(timeout=300)
    ftp.connect(*one.listeners[0])
    ftp.login(user, password)
    return ftp


def descriptors(pid):
    """Return how many a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_many_users(start, start_login_sshd):
    """200 users log in at once, and each has his own files and password; then
    all is released.
    """
    users = {f"user{n}": f"password of {n}" for n in range(MANY)}
    sshd = start_login_sshd(users, *PASSWORD)
    one = start(sshd)
    before = descriptors(one.pid)
    with contextlib.ExitStack() as stack:
        with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
            sessions = list(pool.map(
                lambda user: stack.enter_context(log_in(one, *user)),
                users.items()))
            assert len(one.all_ssh()) == MANY
            list(pool.map(
                lambda at: at[1].storbinary(f"STOR {at[0]}",
                                            io.BytesIO(b"x" * at[0])),
                enumerate(sessions)))
        for number, user in enumerate(users):
            status = (sshd.root / str(number)).stat()
            assert (status.st_uid, status.st_size) == (sshd.uid(user), number)
        # Per login: stderr, three for the control socket, the session itself.
        assert descriptors(one.pid) < before + 8 * MANY
        with connect(one) as ftp:
            assert wrong(ftp, "user7", "password of 8").startswith("530 ")
            assert fetch(sessions[7], "3") == b"xxx"
    no_ssh(one)
    until(lambda: descriptors(one.pid) <= before + 2, "descriptors are closed")


# ---- configuration files ----

def lines_of(sshd, *more):
    """Lines of a tunnel with --login ssh."""
    return ["destination = files.test", f"F = {sshd.config}", "L = sftp/0",
            "login = ssh", *more]


@pytest.fixture
def up(start_up, start_login_sshd, conf):
    """Return a culvert up with one tunnel; its sshd is up.sshd."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    running = start_up(conf(files=lines_of(sshd)), "--all", options=["-v"])
    running.sshd = sshd
    return running


def test_check_has_no_account(conf, sshd, tmp):
    """culvert check says what to test instead."""
    said = ("culvert: with --login ssh each FTP client has its own account; "
            "test one, without --login: culvert check -L sftp/0 "
            "USER@files.test\nculvert: see culvert check --help\n")
    file = conf(files=lines_of(sshd))
    home = tmp / "home"
    home.mkdir()
    assert cli.run(home, "config", "-f", file, "--test") == (
        0, f"{file}: 1 tunnel\n")
    assert cli.run(home, "check", "-f", file, "files") == (2, said)
    assert cli.run(home, "check", "--login", "ssh", "-L", "sftp/0", "-F",
                   sshd.config, "files.test") == (2, said)


def test_up(up):
    """It works as on the command line."""
    with log_in(up, "alice", "Geh3imes") as ftp:
        assert ftp.nlst() == []
        assert len(up.all_ssh()) == 1
    no_ssh(up)
    with connect(up) as ftp:
        assert wrong(ftp, "alice", "x").startswith("530 ")
        says(up, "the SSH server refuses it")


def test_reload_keeps_sessions(up, conf):
    """A tunnel that has changed is drained; the new one permits hosts, which
    the monitor knows by then.
    """
    with contextlib.closing(log_in(up, "alice", "Geh3imes")) as ftp:
        with connect(up) as other:
            assert refused_host(other)
        conf(files=lines_of(up.sshd, "login-hosts = files.*"))
        reload(up, "0 tunnels unchanged, 1 removed, 1 new")
        up.wait_ready(2)
        up.listeners = up.listeners[1:]
        assert ftp.getmultiline().startswith("421 ")
    with log_in(up, "alice@files.test", "Geh3imes") as ftp:
        assert ftp.nlst() == []
    no_ssh(up)


def refused_host(ftp):
    """Return whether a user with a host is refused."""
    return wrong(ftp, "alice@files.test", "Geh3imes").startswith("530 ")


def test_tunnel_is_removed_during_a_login(up, conf):
    """Its ssh is ended, and what it had is not used any more."""
    with contextlib.closing(log_in(up, "alice", "Geh3imes")) as ftp:
        data = ftp.transfercmd("STOR file")
        data.sendall(b"x")
        conf(other=lines_of(up.sshd))
        reload(up, "0 tunnels unchanged, 1 removed, 1 new")
        data.close()
        assert ftp.getmultiline().startswith("226 ")
        assert ftp.getmultiline().startswith("421 ")
    no_ssh(up)
    assert (up.sshd.root / "file").read_bytes() == b"x"


def test_failures_of_an_account(ns, start_culvert, start_login_sshd):
    """They delay its next login from another address too, because a server
    may lock an account after a few; other accounts are not delayed.
    """
    one = start_culvert(
        f"sftp/{ns.near4}:0", f"sftp/[{ns.near6}]:0",
        sshd=start_login_sshd(USERS, *PASSWORD), options=[
            "--login", "ssh", "-v", "--allow", ns.near4, "--allow", ns.near6])
    with connect(one) as ftp:
        for _ in range(3):
            wrong(ftp, "alice", "x")

    def log_in_6(user):
        began = time.monotonic()
        with ftplib.FTP(timeout=300) as ftp:
            ftp.connect(*one.listeners[1])
            ftp.login(user, USERS[user])
        return time.monotonic() - began

    other = log_in_6("bob")
    # 0.5 s, twice as much after each further failure.
    assert log_in_6("alice") > max(2, other)
