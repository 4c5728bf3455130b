"""--login ssh for tunnels to FTP servers: USER and PASS have two accounts."""

import contextlib
import ftplib
import io
import os
import re
import signal
import time

import pytest

import scripted
from clients import Target
from login_sshd import BOTH, EXPIRED, PAM_PASSWORD, PASSWORD, LoginSshd
from process import wait_gone
from test_capture import far_server as lan_server, lan, to_tunnel  # noqa: F401
from test_gateway_login import connect, fetch, wrong
from test_login_ssh import (USERS, attempts, asks, no_ssh, says, start,  # noqa: F401
                            start_login_sshd)
from test_login_ssh_many import MANY
from topology import MODES, get, put

# pylint: disable=redefined-outer-name

AGAIN = "421 Connect again to log in as another user."


@pytest.fixture
def sshd(start_login_sshd):
    """Return an sshd with alice and bob."""
    return start_login_sshd(USERS, *BOTH)


@pytest.fixture
def tunnel(server, sshd, start):
    """Return a function that starts culvert before a server of a kind; it
    returns culvert, and the server.
    """
    def run(kind="vsftpd", *options):
        ftpd = server(kind)
        return start(sshd, *options,
                     forward=f"0:127.0.0.1:{ftpd.port}"), ftpd
    return run


def log_in(one, ftpd, user="alice", password="Geh3imes"):
    """Return an FTP session by that SSH account."""
    ftp = connect(one)
    ftp.login(f"{ftpd.user}@{user}", f"{ftpd.password}@{password}")
    return ftp


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
@pytest.mark.parametrize("kind", ["vsftpd", "proftpd", "pure-ftpd",
                                  "pyftpdlib"])
def test_transfers(kind, passive, tunnel, folder):
    """Control and data go by the connection of the user."""
    one, ftpd = tunnel(kind)
    path, name = folder(kind)
    content = os.urandom(300_000)
    with log_in(one, ftpd) as ftp, log_in(one, ftpd, "bob", "bobs own") as two:
        for number, session in enumerate([ftp, two, ftp]):
            session.set_pasv(passive)
            session.cwd(f"/{name}")
            session.storbinary(f"STOR file{number}", io.BytesIO(content))
            assert (path / f"file{number}").read_bytes() == content
            assert fetch(session, f"file{number}") == content
        assert len(one.all_ssh()) == 2
        assert {"file0", "file1", "file2"} <= set(ftp.nlst())
        one.wait_log(rf"{ftpd.user}@alice from 127.0.0.1:\d+ has logged in at "
                     "files.test by SSH")
    no_ssh(one)


def test_wrong_passwords(tunnel):
    """Of SSH, and of FTP: whose reply passes, and ends the attempt."""
    one, ftpd = tunnel()
    with connect(one) as ftp:
        assert wrong(ftp, f"{ftpd.user}@alice", f"{ftpd.password}@x") == \
            "530 Login incorrect."
        says(one, "the SSH server refuses it", f"{ftpd.user}@alice")
        ftp.login(f"{ftpd.user}@alice", f"{ftpd.password}@Geh3imes")
        assert ftp.pwd().startswith("/")
    with contextlib.closing(connect(one)) as ftp:
        assert wrong(ftp, f"{ftpd.user}@alice", "x@Geh3imes").startswith("530 ")
        with pytest.raises(ftplib.error_temp) as error:
            ftp.login(f"{ftpd.user}@alice", "x@Geh3imes")
        assert str(error.value) == AGAIN
    no_ssh(one)
    for password in "Geh3imes", ftpd.password + "@", "x@":
        assert password not in one.output


def test_another_user(tunnel):
    """After the login, USER, PASS and REIN do not reach the FTP server."""
    one, ftpd = tunnel()
    for command in "USER x@bob", "PASS x@Geh3imes", "rein":
        with contextlib.closing(log_in(one, ftpd)) as ftp, \
                pytest.raises(ftplib.error_temp) as error:
            ftp.sendcmd(command)
        assert str(error.value) == AGAIN
    no_ssh(one)


def test_before_the_login(tunnel):
    """Commands without a login, and in the wrong order."""
    one, _ = tunnel()
    with scripted.client(*one.listeners[0]) as client:
        client.expect("220 Log in as ftpuser@sshuser.")
        client.exchange("NOOP", "200 ")
        client.exchange("FEAT", "530 ")
        client.exchange("SYST", "530 ")
        client.exchange("PASS x", "503 ")
        client.exchange("EPSV", "530 ")
        client.exchange("QUIT", "221 ")
        client.expect_end()


def test_accounts(far_server, asks, start, ns):
    """How USER and PASS are divided, and what the FTP server gets."""
    ssh = asks(password="p w")
    one = start(ssh, "--login-hosts", ns.far4, "-vv",
                forward=f"0:127.0.0.1:{far_server.port}")
    for user, password, ftp in [
            ("joe", "p w", ("joe", "p w")),
            ("joe@alice", "secret@p w", ("joe", "secret")),
            (f"joe@alice@{ns.far4}", "a@b@p w", ("joe", "a@b")),
            (f"a@b@alice@{ns.far4}", "@p w", ("a@b", "")),
            ("j o:e%@alice", " x @p w", ("j o:e%", " x "))]:
        with scripted.client(*one.listeners[0]) as client:
            client.expect("220 Log in as ftpuser@sshuser@host.")
            client.exchange(f"USER {user}", "331 ")
            client.command(f"PASS {password}")
            with far_server.accept() as peer:
                peer.reply("120 wait", "220-Hello", "530 x", "220 there")
                peer.expect_command(f"USER {ftp[0]}")
                peer.reply("331-a", " b", "331 password")
                assert peer.read_command() == f"PASS {ftp[1]}"
                peer.reply("230-Welcome", "230 in", "250 more")
                client.expect("230-Welcome")
                client.command("NOOP")
                peer.expect_command("NOOP")
    assert "p w" not in one.output and "secret" not in one.output


@pytest.mark.parametrize("greeting, reply", [
    (["421 Too many users."], "421 Too many users."),
    (["500-No", " way", "500 there"], "500-No"),
    (["220 hello", "USER", "530 Not you."], "530 Not you."),
    (["220 hello", "USER", "230 No password."], "230 No password."),
    (["220 hello", "USER", "332 Account?"], "332 Account?"),
    (["220 hello", "USER", "331 x", "PASS", "202 What for?"], "202 What for?"),
])
def test_other_replies(greeting, reply, far_server, asks, start):
    """What is not expected is the reply to PASS."""
    one = start(asks(password="x"),
                forward=f"0:127.0.0.1:{far_server.port}")
    with scripted.client(*one.listeners[0]) as client:
        client.expect("220")
        client.exchange("USER joe@alice", "331 ")
        client.command("PASS y@x")
        with far_server.accept() as peer:
            for line in greeting:
                if line.isupper() and len(line) == 4:
                    peer.read_command(line)
                else:
                    peer.reply(line)
            client.expect(reply)
            if reply[0] in "45":
                client.expect_end()


def test_server_that_is_not_there(asks, start_login_sshd, start, ns):
    """The client gets 421 with sshd's words."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    one = start(sshd, forward="0:127.0.0.1:1")
    with contextlib.closing(connect(one)) as ftp:
        assert re.match("421 .*Connection refused|421 .*open failed", wrong(
            ftp, "joe@alice", "x@Geh3imes"))
    no_ssh(one)


@pytest.mark.parametrize("how", [BOTH, PAM_PASSWORD], ids=["asks", "pam"])
def test_expired(how, start_login_sshd, start):
    """530, whether PAM asks, or sshd forbids everything."""
    sshd = start_login_sshd({"alice": ("Geh3imes", EXPIRED)}, *how)
    one = start(sshd, forward="0:127.0.0.1:21")
    with contextlib.closing(connect(one)) as ftp:
        assert wrong(ftp, "joe@alice", "x@Geh3imes").startswith(
            "530 Your password has expired;")
    says(one, "the password has expired", "joe@alice")
    no_ssh(one)


def test_invalid_accounts(tunnel):
    """They are not tried."""
    one, _ = tunnel()
    with contextlib.closing(connect(one)) as ftp:
        for user in "joe@", "@alice":
            assert wrong(ftp, user, "x@y") == "530 Login incorrect."
        assert wrong(ftp, "joe@a;b", "x") == "421 Too many failed logins."
    assert not one.all_ssh()


@pytest.mark.parametrize("what", ["ssh", "client", "culvert"])
def test_end_in_a_transfer(what, tunnel, folder):
    """A download that is cut is reset; nothing is left."""
    one, ftpd = tunnel()
    path, name = folder("vsftpd")
    (path / "big").write_bytes(bytes(50_000_000))
    with contextlib.closing(log_in(one, ftpd)) as ftp:
        data = ftp.transfercmd(f"RETR /{name}/big")
        data.recv(1000)
        ssh = one.ssh
        if what == "ssh":
            os.kill(ssh, signal.SIGKILL)
        elif what == "culvert":
            one.stop()
        if what == "client":
            data.close()
        else:
            with pytest.raises(ConnectionResetError):
                while data.recv(1 << 20):
                    pass
            data.close()
            assert ftp.getmultiline().startswith(("426 ", "421 "))
    assert wait_gone(ssh)
    if what != "culvert":
        no_ssh(one)
        with log_in(one, ftpd) as ftp:
            assert ftp.nlst() is not None


def test_many(server, start_login_sshd, start):
    """Sessions of 40 users at once, each with a listing."""
    users = {f"user{n}": f"word{n}" for n in range(MANY // 5)}
    ftpd = server("pyftpdlib")
    one = start(start_login_sshd(users, *PASSWORD),
                forward=f"0:127.0.0.1:{ftpd.port}")
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(log_in(one, ftpd, *user))
                    for user in users.items()]
        assert len(one.all_ssh()) == len(users)
        for ftp in sessions:
            assert ftp.nlst() is not None
    no_ssh(one)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rule", [[], ["match-user = *@alice"]],
                         ids=["any", "user"])
def test_captured(lan, topology, rule, mode, tmp):
    """A captured connection logs in like any other, also if the rule is found
    by the user.
    """
    sshd = LoginSshd(topology.far, topology.directory(), USERS, *PASSWORD)
    try:
        server = lan_server(topology, "ipv4")
        lan.configure("redirect", to_tunnel(server, *rule), sshd=sshd,
                      more=["login = ssh"])
        lan.start()
        target = Target(server.address, server.port, f"{server.user}@alice",
                        f"{server.password}@Geh3imes", lan.client.argv,
                        lan.client.call)
        place = server.mkdir(tmp.name)
        get(target, mode, place, tmp)
        put(target, mode, place, tmp, old=True)
        lan.culvert.wait_log("has logged in at files.test by SSH")
    finally:
        lan.close()
        sshd.stop()


def test_idle(tunnel, folder):
    """--idle-exit ends a session without commands, and its connection; not
    during a transfer, nor right after one.
    """
    one, ftpd = tunnel("vsftpd", "--idle-exit", "2")
    path, name = folder("vsftpd")
    with open(path / "huge", "wb") as file:
        file.truncate(64 << 30)
    with contextlib.closing(log_in(one, ftpd)) as ftp:
        with ftp.transfercmd(f"RETR {name}/huge") as data:
            until_time = time.monotonic() + 5
            while time.monotonic() < until_time:
                assert data.recv(1 << 16)
        assert ftp.getmultiline()[0] == "4"
        assert ftp.pwd() == "/"
        assert ftp.getmultiline() == "421 No command has come for 2 s."
        no_ssh(one)
