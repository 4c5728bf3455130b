"""--login ssh: the FTP login is a login to the SSH server."""

import contextlib
import io
import json
import os
import pathlib
import signal
import socket
import struct

import pytest

import scripted
from culvert import sanitized
from login_sshd import (ACCOUNT_EXPIRED, BOTH, EXPIRED, KEYBOARD, PAM_PASSWORD,
                        PASSWORD, Asks, LoginSshd)
from process import descendants, until, wait_gone
from sshd import write_file
from test_gateway_login import connect, fetch, log_in, refused, wrong

# pylint: disable=redefined-outer-name

USERS = {"alice": "Geh3imes", "bob": "bobs own"}
INCORRECT = "530 Login incorrect."


@pytest.fixture
def start_login_sshd(ns, directories):
    """Return a function that starts a LoginSshd."""
    started = []

    def start(users, *options):
        started.append(LoginSshd(ns, directories(), users, *options))
        return started[-1]
    yield start
    for one in started:
        one.stop()


@pytest.fixture
def asks(ns, directories):
    """Return a function that starts an SSH server that asks."""
    started = []

    def start(**how):
        started.append(Asks(ns, directories(), **how))
        return started[-1]
    yield start
    for one in started:
        one.stop()


@pytest.fixture(params=[PASSWORD, KEYBOARD, BOTH, PAM_PASSWORD],
                ids=["password", "keyboard", "both", "pam"])
def server_of_all(request, start_login_sshd):
    """Return an sshd with alice and bob, for each way to ask."""
    return start_login_sshd(USERS, *request.param)


@pytest.fixture
def start(start_culvert):
    """Return a function that starts culvert with --login ssh."""
    def run(sshd, *options, forward="sftp/0", **how):
        return start_culvert(forward, sshd=sshd, options=[
            "--login", "ssh", "-v", *options], **how)
    return run


@pytest.fixture
def one(start, start_login_sshd):
    """Return a culvert, whose sshd is one.sshd."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    culvert = start(sshd)
    culvert.sshd = sshd
    return culvert


def attempts(server):
    """Return how the attempts at an Asks went."""
    return [line.split()[1] for line in server.process.lines
            if line.startswith("attempt ")]


def says(culvert, why, user="alice"):
    """Wait for the line about a refused login."""
    return culvert.wait_log(
        rf"refused the login of {user} from 127.0.0.1:\d+: .*{why}")


def set_linger(sock):
    """From now on, close() resets the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))


def directories_of(culvert):
    """Return the names of the directories of logins that exist."""
    return [name for place in pathlib.Path(culvert.dir).glob("*")
            for _, found, _ in os.walk(place) for name in found
            if name.isdigit()]


def no_ssh(culvert):
    """Wait until no ssh of culvert runs, and no directory of a login is left.
    """
    until(lambda: not culvert.all_ssh(), "ssh has ended")
    until(lambda: not directories_of(culvert), "the directories are removed")


# ---- logins ----

def test_login(server_of_all, start):
    """Each user gets his own account; a wrong password is tried once."""
    one = start(server_of_all)
    with log_in(one, "alice", "Geh3imes") as ftp, \
            log_in(one, "bob", "bobs own") as other:
        ftp.storbinary("STOR a", io.BytesIO(b"abc"))
        other.storbinary("STOR b", io.BytesIO(b"defg"))
        assert fetch(other, "a") == b"abc"
        assert len(one.all_ssh()) == 2
    for name, user in ("a", "alice"), ("b", "bob"):
        assert (server_of_all.root / name).stat().st_uid == \
            server_of_all.uid(user)
    no_ssh(one)
    with connect(one) as ftp:
        mark = server_of_all.process.mark()
        assert wrong(ftp, "alice", "Geh3ime") == INCORRECT
        says(one, "the SSH server refuses it")
        ftp.login("alice", "Geh3imes")
        assert fetch(ftp, "b") == b"defg"
        failures = [line for line in server_of_all.process.lines[mark:]
                    if line.startswith("Failed ")]
        assert len(failures) == 1, failures
    assert "Geh3ime" not in one.output


def test_one_connection_for_each_session(one):
    """Two sessions of one user share nothing; the password is checked twice.
    """
    with log_in(one, "alice", "Geh3imes"), connect(one) as ftp:
        assert wrong(ftp, "alice", "bobs own") == INCORRECT
        ftp.login("alice", "Geh3imes")
        assert len(one.all_ssh()) == 2


def test_second_login(one):
    """A session stays what it is."""
    with log_in(one, "alice", "Geh3imes") as ftp:
        for command in "USER bob", "PASS bobs own", "REIN":
            assert refused(ftp, command) == \
                "503 You are logged in; connect again to be another user."
        assert ftp.nlst() == []


def test_many_failures(one):
    """The third ends the session."""
    with connect(one) as ftp:
        for _ in range(2):
            assert wrong(ftp, "alice", "x") == INCORRECT
        assert wrong(ftp, "alice", "x") == "421 Too many failed logins."


def test_status_and_record(start, start_login_sshd, tmp):
    """They name the user, with the host that he has named."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    log = tmp / "log"
    one = start(sshd, "--login-hosts", "files.*", "--transfer-log", str(log))
    with log_in(one, "alice@files.test", "Geh3imes") as ftp:
        ftp.storbinary("STOR a", io.BytesIO(b"abc"))
        until(lambda: log.exists() and log.read_text().endswith("\n"),
              "a record")
        one.wait_log(r"alice@files.test from 127.0.0.1:\d+ has logged in at "
                     "files.test by SSH")
    assert json.loads(log.read_text())["user"] == "alice@files.test"


# ---- passwords ----

ODD = ["two  words ", " first", "quo\"te's `id` $(id) %s \\", "Zürich €",
       "-oProxyCommand=x", "a" * 1023, "#;&|<>*?~!"]


@pytest.mark.parametrize("method", ["password", "keyboard"])
@pytest.mark.parametrize("password", ODD, ids=range(len(ODD)))
def test_odd_password(method, password, asks, start):
    """It arrives byte for byte."""
    server = asks(password=password) if method == "password" else \
        asks(rounds=[[["Password: ", False, password]]])
    one = start(server)
    with log_in(one, "alice", password) as ftp:
        assert ftp.nlst() == []
    assert attempts(server) == ["right"]


@pytest.mark.parametrize("password", ["", "a" * 1024, "a\rb", "a\0b"])
def test_password_that_ssh_cannot_take(password, asks, start):
    """It is refused without an attempt."""
    server = asks(password=password)
    one = start(server)
    with scripted.client(*one.listeners[0]) as client:
        client.expect("220")
        client.exchange("USER alice", "331")
        client.send(b"PASS " + password.encode() + b"\r\n")
        client.expect("530 ")
        client.exchange("NOOP", "200")
    assert not attempts(server)


def where_it_is(pid, secret):
    """Return the names of what has the secret, of a process."""
    found = []
    for name in "cmdline", "environ":
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if secret in pathlib.Path(f"/proc/{pid}/{name}").read_bytes():
                found.append(name)
    return found


@pytest.mark.parametrize("method", ["password", "keyboard"])
def test_password_is_nowhere(method, asks, start, tmp):
    """No argument, environment, file or line of the log has it, neither while
    ssh logs in nor afterwards.
    """
    secret, go = "Geh3imes", tmp / "go"
    server = asks(password=secret, wait=str(go)) if method == "password" else \
        asks(rounds=[[["Password: ", False, secret]]], wait=str(go))
    one = start(server, "-vvv")
    with connect(one) as ftp:
        ftp.sendcmd("USER alice")
        ftp.putcmd("PASS " + secret)
        server.process.wait_line("waiting")
        for look in range(2):
            pids = [one.pid, *descendants(one.pid)]
            assert len(pids) >= 3
            for pid in pids:
                assert not where_it_is(pid, secret.encode())
            for path in pathlib.Path(one.dir).rglob("*"):
                assert not path.is_file(), path
            if look == 0:
                go.touch()
                assert ftp.getresp().startswith("230 ")
        assert ftp.nlst() == []
    no_ssh(one)
    assert secret not in one.output


def memory_of(pid):
    """Return what a process can read in its memory, in pieces."""
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            where, rights, *_ = line.split()
            low, high = (int(word, 16) for word in where.split("-"))
            if "w" in rights:
                memory.seek(low)
                yield memory.read(high - low)


@pytest.mark.skipif(sanitized(), reason="its shadow memory has terabytes")
def test_password_is_overwritten(start, start_login_sshd):
    """No part of it is left in memory, where later commands may have
    overwritten the rest.
    """
    start_of_it, rest = "Geh3imes-", "Kennw0rt.Qx7"
    sshd = start_login_sshd({"alice": start_of_it + rest}, *BOTH)
    one = start(sshd)
    with log_in(one, "alice", start_of_it + rest):
        for pid in [one.pid, *descendants(one.pid)]:
            for piece in memory_of(pid):
                assert rest.encode() not in piece
            assert any(b"alice" in piece for piece in memory_of(pid))


def test_no_core_of_ssh(one):
    """Neither to a file nor to a program."""
    with log_in(one, "alice", "Geh3imes"):
        limits = pathlib.Path(f"/proc/{one.ssh}/limits").read_text()
        line, = [line for line in limits.splitlines() if "core" in line]
        assert line.split()[4:6] in (["1", "1"], ["0", "0"]), line


# ---- what the server asks ----

def test_code_after_the_password(asks, start):
    """The password is given; the code is not known, and nothing is sent."""
    server = asks(rounds=[[["Password: ", False, "x"]],
                          [["Verification code: ", True, ""]]])
    one = start(server)
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x") == \
            "530 The SSH server asks for more than a password."
        says(one, "asks .*Verification code: ")
        assert attempts(server) == ["right"]
        no_ssh(one)


@pytest.mark.parametrize("asked", [
    [["Password: ", False, "x"], ["Token: ", True, ""]],
    [["Enter PIN: ", False, "x"]],
    [["One-time password: ", False, "x"]],
    [["New password: ", False, "x"]],
    [["Enter passphrase for key 'x': ", False, "x"]],
])
def test_other_questions(asked, asks, start):
    """No answer is sent at all."""
    server = asks(rounds=[asked])
    one = start(server)
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x") == \
            "530 The SSH server asks for more than a password."
        no_ssh(one)
    assert not attempts(server)


def test_new_password_after_the_password(asks, start):
    """It has expired."""
    server = asks(rounds=[[["Password: ", False, "x"]],
                          [["New password: ", False, "y"]]])
    one = start(server)
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x").startswith(
            "530 Your password has expired;")
        says(one, "the password has expired: ")
        no_ssh(one)
    assert attempts(server) == ["right"]


@pytest.mark.parametrize("how", [KEYBOARD, BOTH, PAM_PASSWORD],
                         ids=["keyboard", "both", "pam"])
def test_expired_password(how, start, start_login_sshd):
    """530, and a line of the log."""
    one = start(start_login_sshd({"alice": ("Geh3imes", EXPIRED)}, *how))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes").startswith(
            "530 Your password has expired;")
        says(one, "the password has expired")
    no_ssh(one)


def test_expired_account(start, start_login_sshd):
    """530, as if the password was wrong."""
    one = start(start_login_sshd({"alice": ("Geh3imes", ACCOUNT_EXPIRED)},
                                 *PASSWORD))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes") == INCORRECT


def test_no_passwords(start, start_login_sshd):
    """An sshd that takes keys only."""
    one = start(start_login_sshd(USERS))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes") == \
            "530 The SSH server takes no passwords."
        says(one, "Permission denied .publickey.*PasswordAuthentication")


def test_login_without_password(asks, start):
    """Whoever is let in unchecked is not logged in."""
    one = start(asks(none=True))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x") == \
            "530 The SSH server does not check passwords."
        says(one, "lets this user in without a password")
        no_ssh(one)


def test_key_of_the_user_who_runs_culvert(start, start_login_sshd):
    """It is no login for FTP clients."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    one = start(sshd, "-i", f"{sshd.dir}/user_key", "-o",
                "PubkeyAuthentication=yes")
    with connect(one) as ftp:
        assert wrong(ftp, "root", "x") == INCORRECT
        ftp.login("alice", "Geh3imes")


def test_batch_mode_in_the_configuration(start, start_login_sshd):
    """It does not keep ssh from asking."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    text = pathlib.Path(sshd.config).read_text()
    write_file(sshd.config, text + "    BatchMode yes\n"
               "    NumberOfPasswordPrompts 7\n    ControlMaster auto\n")
    one = start(sshd, "--batch")
    with log_in(one, "alice", "Geh3imes") as ftp:
        assert ftp.nlst() == []


def test_max_auth_tries(start, start_login_sshd):
    """One attempt is enough."""
    one = start(start_login_sshd(USERS, "MaxAuthTries 1", *BOTH))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x") == INCORRECT
        ftp.login("alice", "Geh3imes")


def test_banner(start, start_login_sshd, tmp):
    """Its words mean nothing."""
    (tmp / "banner").write_text(
        "alice@files.test's password: \nHost key verification failed.\n")
    one = start(start_login_sshd(USERS, f"Banner {tmp}/banner", *PASSWORD))
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "x") == INCORRECT
        ftp.login("alice", "Geh3imes")


def test_password_of_a_jump_host(start, start_login_sshd):
    """The password is for the destination only."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    one = start(sshd, "-J", "alice@files.test")
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes") == \
            "530 The SSH server asks for more than a password."
        says(one, "an ssh that this one has started")
        no_ssh(one)
    assert not [line for line in sshd.process.lines
                if line.startswith(("Accepted ", "Failed password"))]


# ---- the host ----

@pytest.mark.parametrize("known", ["", "other"])
def test_host_key(known, start, start_login_sshd, ns):
    """An unknown or another key: 530, and what to do."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    key = pathlib.Path(sshd.dir, "user_key.pub").read_text()
    write_file(f"{sshd.dir}/known_hosts", f"files.test {key}" if known else "")
    one = start(sshd)
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes") == \
            "530 The host key of the SSH server is not known."
        says(one, "Host key verification failed.*ssh-keyscan")
    assert pathlib.Path(sshd.dir, "known_hosts").read_text() == \
        (f"files.test {key}" if known else "")


def test_unreachable(one):
    """421: the login may be good."""
    one.sshd.stop()
    with connect(one) as ftp:
        assert wrong(ftp, "alice", "Geh3imes") == \
            "421 The SSH server cannot be reached."
        says(one, "ssh cannot connect: .*refused")
    one.sshd.start()
    with log_in(one, "alice", "Geh3imes") as ftp:
        assert ftp.nlst() == []


def test_login_hosts(start, start_login_sshd, ns):
    """Users name a host that is permitted, or none."""
    sshd = start_login_sshd(USERS, *PASSWORD)
    one = start(sshd, "--login-hosts", ns.far4, "--login-hosts",
                "FILES.*:*", "--login-hosts", "no.such.example")
    port = sshd.port
    for user in ("alice", f"alice@{ns.far4}", "alice@files.test",
                 "alice@files.test:%d" % port,
                 "alice@files.test:0%d" % port):
        with log_in(one, user, "Geh3imes") as ftp:
            assert ftp.nlst() == []
    for user in (f"alice@{ns.far4}:{port}", "alice@other.example",
                 "alice@127.0.0.1", "alice@", "@files.test:22", "alice@@",
                 "alice@files.test:0", "alice@files.test:65536",
                 "alice@files.test:", "alice@[files.test]:22",
                 "alice@::1", "alice@[::1", "alice@[::1]x",
                 "a lice", "-lalice", "ali;ce", "$(id)", "a`id`", "al%r",
                 "alice@-oProxyCommand=x", "alice@%h", "a" * 129,
                 "alice@" + "a" * 256):
        with connect(one) as ftp:
            assert wrong(ftp, user, "Geh3imes") == INCORRECT, user
    with connect(one) as ftp:
        assert wrong(ftp, "alice@no.such.example", "x") == \
            "421 The SSH server cannot be reached."


def test_user_with_an_at(asks, start):
    """Without --login-hosts, "@" is a part of the name."""
    server = asks(password="x")
    one = start(server)
    with log_in(one, "alice@corp.example", "x") as ftp:
        assert ftp.nlst() == []


# ---- the end ----

@pytest.mark.parametrize("how", ["quit", "close", "reset", "stop"])
def test_link_ends_with_the_session(how, one):
    """Nothing of it is left."""
    ftp = log_in(one, "alice", "Geh3imes")
    ssh = one.ssh
    if how == "quit":
        ftp.quit()
    elif how == "close":
        ftp.close()
    elif how == "reset":
        set_linger(ftp.sock)
        ftp.close()
    else:
        one.stop()
        ftp.close()
    assert wait_gone(ssh)


def test_idle(start, start_login_sshd):
    """--idle-exit ends a session without commands, and its connection."""
    one = start(start_login_sshd(USERS, *PASSWORD), "--idle-exit", "1")
    with contextlib.closing(log_in(one, "alice", "Geh3imes")) as ftp:
        assert ftp.getmultiline() == "421 No command has come for 1 s."
        no_ssh(one)


def test_lost_link(one):
    """421; nobody reconnects, because the password is gone."""
    with log_in(one, "alice", "Geh3imes") as ftp, \
            log_in(one, "bob", "bobs own") as other:
        of_bob = one.all_ssh()[-1]
        os.kill(of_bob, signal.SIGKILL)
        assert other.getmultiline().startswith("421 ")
        other.close()
        assert ftp.nlst() == []
    no_ssh(one)


def half_an_upload(ftp, root, name="file"):
    """Begin an upload over an old file; returns its data connection."""
    (root / name).write_bytes(b"old")
    (root / name).chmod(0o666)
    data = ftp.transfercmd(f"STOR {name}")
    data.sendall(bytes(1 << 20))
    until(lambda: [path for path in root.iterdir() if path.name != name
                   and path.stat().st_size > 0], "a temporary file")
    return data


@pytest.mark.parametrize("how", ["close", "reset", "abort", "stop"])
def test_cut_upload(how, one):
    """The old file stays, and the temporary file is removed by the same
    connection.
    """
    root = one.sshd.root
    ftp = log_in(one, "alice", "Geh3imes")
    data = half_an_upload(ftp, root)
    ssh = one.ssh
    if how == "stop":
        one.stop()
    elif how == "abort":
        ftp.putcmd("ABOR")
        assert ftp.getmultiline().startswith("426 ")
        assert ftp.getmultiline().startswith("226 ")
        ftp.quit()
    else:
        if how == "reset":
            set_linger(ftp.sock)
        ftp.close()
    data.close()
    ftp.close()
    assert wait_gone(ssh)
    assert [path.name for path in root.iterdir()] == ["file"]
    assert (root / "file").read_bytes() == b"old"


def test_upload_and_lost_link(one):
    """Without the connection the temporary file stays; the log says where."""
    root = one.sshd.root
    with contextlib.closing(log_in(one, "alice", "Geh3imes")) as ftp:
        data = half_an_upload(ftp, root)
        os.kill(one.ssh, signal.SIGKILL)
        assert ftp.getmultiline().startswith(("426 ", "421 "))
        data.close()
        one.wait_log("the temporary file \".*\" of an upload that was cut is "
                     "left on the SFTP server: remove it \\(login of alice\\)")
    assert (root / "file").read_bytes() == b"old"


@pytest.mark.parametrize("how", ["close", "stop"])
def test_end_during_a_login(how, asks, start, tmp):
    """An ssh that waits for the server is ended."""
    server = asks(password="x", wait=str(tmp / "never"))
    one = start(server)
    ftp = connect(one)
    ftp.sendcmd("USER alice")
    ftp.putcmd("PASS x")
    server.process.wait_line("waiting")
    ssh = one.ssh
    if how == "stop":
        one.stop()
    ftp.close()
    assert wait_gone(ssh)
    assert not attempts(server)
    if how == "close":
        no_ssh(one)
