"""The login file of the SFTP gateway: who may log in, and to what."""

import contextlib
import ctypes
import ftplib
import io
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import cli
import culvert
import scripted
from process import until
from servers import NOBODY
from sftp_servers import OpenSsh
from test_confine import as_nobody, nobodys_sshd  # noqa: F401
from test_gateway_quirks import gateway  # noqa: F401
from test_reload import reload
from test_up import conf  # noqa: F401

# pylint: disable=redefined-outer-name

LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
LIBCRYPT.crypt.restype = ctypes.c_char_p

# limits.h
DELAY = 0.5
FAILURES = 3


def line(user, password, *more, rounds=1000):
    """Return a line of a login file."""
    hashed = LIBCRYPT.crypt(password.encode(), b"$6$rounds=%d$salt$" % rounds)
    return ":".join([user, hashed.decode(), *more]) + "\n"


@pytest.fixture
def folder(tmp):
    """Return the directory in which sessions begin."""
    path = tmp / "files"
    path.mkdir()
    (path / "file").write_bytes(b"hello")
    return path


@pytest.fixture
def logins(tmp):
    """Return a function that writes the login file; it gives its path."""
    path = tmp / "logins"

    def write(*lines):
        path.touch(0o600)
        path.write_text("".join(lines))
        return path
    return write


@pytest.fixture
def tunnel(folder, logins, start_culvert):
    """Return a culvert with joe, a disabled user, and others."""
    (folder / "home").mkdir()
    (folder / "home/own").write_bytes(b"own")
    path = logins("# who may log in\n", line("joe", "secret"), "off:*\n",
                  line("reader", "secret", "", "read-only"),
                  line("user", "secret", "home"))
    return start_culvert(f"sftp/0:{folder}",
                         options=["-vv", "--login-file", str(path)])


def connect(one, number=0, **how):
    """Return an FTP session without a login."""
    ftp = ftplib.FTP(timeout=60, **how)
    ftp.connect(*one.listeners[number])
    return ftp


def log_in(one, user="joe", password="secret", **how):
    """Return an FTP session of that user."""
    ftp = connect(one, **how)
    ftp.login(user, password)
    return ftp


def refused(ftp, command):
    """Return the reply of a command that is refused."""
    with pytest.raises(ftplib.error_perm) as error:
        ftp.sendcmd(command)
    return str(error.value)


def fetch(ftp, name="file"):
    """Return what RETR gets."""
    got = bytearray()
    ftp.retrbinary(f"RETR {name}", got.extend)
    return bytes(got)


def wrong(ftp, user, password):
    """Return the reply to a login that is refused."""
    with pytest.raises((ftplib.error_perm, ftplib.error_temp)) as error:
        ftp.login(user, password)
    return str(error.value)


# ---- logins ----

def test_right_password(tunnel, folder):
    """The user gets the files."""
    with log_in(tunnel) as ftp:
        ftp.storbinary("STOR new", io.BytesIO(b"abc"))
        assert fetch(ftp) == b"hello"
    assert (folder / "new").read_bytes() == b"abc"


@pytest.mark.parametrize("user, password, why", [
    ("joe", "Secret", "the password is wrong"),
    ("joe", "", "the password is wrong"),
    ("jim", "secret", "there is no such user"),
    ("off", "secret", "the login of this user is disabled"),
    ("anonymous", "a@b", "there is no such user"),
])
def test_refused(tunnel, user, password, why):
    """The reply does not say what is wrong; the log does.  Nothing is
    permitted, and the session can try again.
    """
    with connect(tunnel) as ftp:
        assert wrong(ftp, user, password) == "530 Login incorrect."
        for command in "PWD", "RETR file", "EPSV", "STAT":
            assert refused(ftp, command).startswith("530 ")
        tunnel.wait_log(rf"refused the login of {user} from 127\.0\.0\.1:\d+: "
                        f"{why}$")
        ftp.login("joe", "secret")
        assert fetch(ftp) == b"hello"


def test_delay(tunnel):
    """After a failure, replies to that host come later; sessions that are
    logged in are not affected.
    """
    with log_in(tunnel) as other, connect(tunnel) as ftp:
        times = [time.monotonic()]
        answered = []
        thread = threading.Thread(target=lambda: answered.append(
            wrong(ftp, "joe", "wrong")))
        thread.start()
        tunnel.wait_log("-> PASS")
        while thread.is_alive():
            other.voidcmd("NOOP")
        thread.join()
        times.append(time.monotonic())
        ftp.login("joe", "secret")
        times.append(time.monotonic())
        assert answered == ["530 Login incorrect."]
        assert times[1] - times[0] >= DELAY
        assert times[2] - times[1] >= DELAY


def test_too_many_failures(tunnel):
    """The last failure ends the session, but not the next one."""
    with connect(tunnel) as ftp:
        for _ in range(FAILURES - 1):
            assert wrong(ftp, "joe", "wrong").startswith("530 ")
        assert wrong(ftp, "joe", "wrong") == "421 Too many failed logins."
        with pytest.raises((EOFError, OSError)):
            ftp.voidcmd("NOOP")
    with log_in(tunnel) as ftp:
        assert fetch(ftp) == b"hello"


def test_client_that_does_not_wait(tunnel):
    """A client that has gone during the check does no harm."""
    for _ in range(3):
        with scripted.dial(*tunnel.listeners[0]) as sock:
            sock.sock.sendall(b"USER joe\r\nPASS secret\r\n")
            tunnel.wait_log("-> PASS")
    with log_in(tunnel) as ftp:
        assert fetch(ftp) == b"hello"


@pytest.mark.parametrize("ends", ["ssh", "culvert", "session"])
def test_end_during_a_check(ends, folder, logins, start_culvert):
    """The SSH connection, culvert, or the session ends before the answer."""
    path = logins(line("joe", "secret"), line("slow", "secret", rounds=999_999))
    one = start_culvert(f"sftp/0:{folder}", retry="forever", options=[
        "-vv", "--survive", "0", "--login-file", str(path)])
    with connect(one) as ftp:
        ftp.sendcmd("USER slow")
        ftp.putcmd("PASS secret")
        one.wait_log("-> PASS")
        if ends == "session":
            ftp.putcmd("QUIT")
            ftp.sock.shutdown(socket.SHUT_WR)
            assert ftp.getmultiline().startswith("230 ")
            assert ftp.getmultiline().startswith("221 ")
        elif ends == "ssh":
            os.kill(one.ssh, signal.SIGKILL)
            assert ftp.getmultiline().startswith("421 ")
            one.wait_log("connected to .* again")
        else:
            one.stop()
            assert ftp.getmultiline().startswith("421 ")
    if ends != "culvert":
        with log_in(one) as ftp:
            assert fetch(ftp) == b"hello"


# ---- sessions of the SSH server ----

def test_strangers_use_no_session(gateway, logins):
    """Clients that have not logged in leave the sessions to others; whoever
    logs in when there is none gets 421.
    """
    one = gateway(lambda *args: OpenSsh(*args, "MaxSessions 1"),
                  "--login-file", str(logins(line("joe", "secret")))).culvert
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(connect(one)) for _ in range(3)]
        assert wrong(strangers[0], "joe", "wrong").startswith("530 ")
        ftp = stack.enter_context(log_in(one))
        assert wrong(strangers[1], "joe", "secret").startswith(
            "421 the SFTP server cannot be used: the SSH server refuses a "
            "session for SFTP: ")
        with pytest.raises((EOFError, OSError)):
            strangers[1].voidcmd("NOOP")
        one.wait_log("the SFTP server cannot be used: .*MaxSessions")
        ftp.quit()
        strangers[0].login("joe", "secret")
        assert strangers[0].nlst() == []
        strangers[2].quit()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_stop_before_a_login(number, tunnel):
    """A client without a login does not delay the end."""
    with connect(tunnel) as ftp:
        tunnel.stop(number)
        assert ftp.getmultiline() == "421 culvert is stopping."


# ---- what a user may ----

def test_read_only(tunnel, folder):
    """A user of the rule "read-only" changes nothing."""
    with log_in(tunnel, "reader") as ftp:
        assert fetch(ftp) == b"hello"
        for command in "DELE file", "MKD new", "RNFR file":
            assert refused(ftp, command) == \
                "550 This user may not change anything."
        with pytest.raises(ftplib.error_perm):
            ftp.storbinary("STOR file", io.BytesIO(b"x"))
    assert sorted(path.name for path in folder.iterdir()) == ["file", "home"]
    assert (folder / "file").read_bytes() == b"hello"


def test_directory(tunnel, folder):
    """The directory of a user is the home, and nothing is outside."""
    with log_in(tunnel, "user") as ftp:
        assert ftp.pwd() == f"{folder}/home"
        assert ftp.nlst() == ["own"]
        ftp.storbinary("STOR new", io.BytesIO(b"abc"))
        for command in ("CWD ..", "SIZE ../file", f"SIZE {folder}/file",
                        "DELE ../file", "CWD /", "STAT /etc"):
            assert refused(ftp, command) == "550 Not permitted."
        for begin in "RETR ../file", "NLST ..", "MLSD /", "STOR ../new":
            with pytest.raises(ftplib.error_perm):
                ftp.transfercmd(begin)
    assert (folder / "home/new").read_bytes() == b"abc"
    assert not (folder / "new").exists()


# ---- what is logged ----

def test_password_is_nowhere(tunnel):
    """At -vv neither a right nor a wrong password is in the log."""
    with connect(tunnel) as ftp:
        wrong(ftp, "joe", "Geh3imes")
        ftp.login("joe", "secret")
    tunnel.wait_log("\\] ended")
    assert "Geh3imes" not in tunnel.output
    assert "PASS secret" not in tunnel.output
    assert "$6$" not in tunnel.output


def test_records_have_the_user(folder, logins, start_culvert, tmp):
    """A record of the transfer log names who has logged in."""
    log = tmp / "log"
    one = start_culvert(f"sftp/0:{folder}", options=[
        "--login-file", str(logins(line("joe", "secret"))),
        "--transfer-log", str(log)])
    with log_in(one) as ftp:
        fetch(ftp)
    until(lambda: log.exists() and log.read_text().endswith("\n"), "a record")
    assert json.loads(log.read_text())["user"] == "joe"
    assert "secret" not in log.read_text()


def test_user_name_is_escaped(tunnel):
    """A name cannot make lines or colours."""
    with connect(tunnel) as ftp:
        wrong(ftp, "a\x1b[31m", "x")
        tunnel.wait_log(r"refused the login of a\\x1b\[31m from ")


# ---- who is asked ----

def start_and_end(tmp, sshd, *options):
    """Run culvert, which must end at once: (status, what it said)."""
    home = tmp / "start"
    home.mkdir()
    status, output = cli.run(home, *options, "-F", sshd.config, sshd.host)
    return status, [line for line in output.splitlines()
                    if line != "culvert: see culvert --help"][-1]


@pytest.mark.parametrize("bind", ["*", "0.0.0.0", "[::]"])
def test_beyond_loopback_without_file(bind, sshd, tmp):
    """culvert refuses to start."""
    assert start_and_end(tmp, sshd, "-L", f"sftp/{bind}:0", "--allow",
                         "0.0.0.0/0", "--allow", "::/0") == (
        1, f"culvert: cannot listen on {bind.strip('[]')} port 0: clients of other "
        "hosts could use the files without a password; --login-file FILE says "
        "who may log in (culvert passwd makes it)")


def test_beyond_loopback(folder, logins, start_culvert, ns):
    """With a login file, a client of another address logs in by it."""
    one = start_culvert(f"sftp/{ns.near4}:0:{folder}", options=[
        "--allow", ns.near4, "--login-file",
        str(logins(line("joe", "secret")))])
    with connect(one) as ftp:
        assert wrong(ftp, "joe", "wrong") == "530 Login incorrect."
        ftp.login("joe", "secret")
        assert fetch(ftp) == b"hello"


def test_any_user_without_file(sshd, tmp):
    """--any-user would give the files to everybody of this host."""
    assert start_and_end(tmp, sshd, "-L", "sftp/0", "--any-user") == (
        2, "culvert: with --any-user, all users of this host could use the "
        "files of sftp/ without a password; --login-file FILE says who may "
        "log in")


def test_file_without_gateway(logins, sshd, tmp):
    """The file says nothing about an FTP server's users."""
    assert start_and_end(tmp, sshd, "-L", "0:localhost:21", "--login-file",
                         str(logins())) == (
        2, "culvert: --login-file is for the clients of sftp/; it needs a -L "
        "sftp/PORT")


def test_no_file_takes_any_password(folder, start_culvert):
    """Without a file, everybody who may connect may log in."""
    one = start_culvert(f"sftp/0:{folder}")
    with log_in(one, "anybody", "anything") as ftp:
        assert fetch(ftp) == b"hello"


# ---- the file ----

def spoil(path, how):
    """Make something wrong with the file; return what culvert should say."""
    if how == "missing":
        path.unlink()
        return 'No such file or directory; "culvert passwd" makes the file'
    if how == "directory":
        path.unlink()
        path.mkdir()
        return "it is not a regular file"
    if how == "owner":
        os.chown(path, NOBODY, -1)
        return "it belongs to another user than root and the one who runs " \
            "culvert; use chown(1)"
    if how == "writable":
        path.chmod(0o620)
        return "other users can write to it; use chmod go-w"
    if how == "large":
        path.write_text("#" * 100 + "\n" + "#\n" * (1 << 20))
        return "the file is too large"
    path.write_text(line("joe", "secret") + "jim\n")
    return "line 2: no hash; a line is user:hash:directory:rules"


SPOILT = ["missing", "directory", "owner", "writable", "large", "line"]


@pytest.mark.parametrize("how", SPOILT)
def test_wrong_file(how, logins, sshd, tmp):
    """culvert refuses to start, and says why."""
    path = logins(line("joe", "secret"))
    said = spoil(path, how)
    assert start_and_end(tmp, sshd, "-L", "sftp/0", "--login-file",
                         str(path)) == (
        1, f"culvert: --login-file {path}: {said}")


def to_sftp(sshd, folder, *more):
    """Lines of a tunnel to the SFTP server of sshd."""
    return ["destination = files.test", f"F = {sshd.config}",
            f"L = sftp/0:{folder}", *more]


@pytest.mark.parametrize("how", SPOILT)
def test_config_test(how, conf, folder, logins, sshd, tmp):
    """culvert config --test finds the same, with the line."""
    path = logins(line("joe", "secret"))
    file = conf(scans=to_sftp(sshd, folder, f"login-file = {path}"))
    home = tmp / "home"
    home.mkdir()
    assert cli.run(home, "config", "-f", file, "--test") == (
        0, f"{file}: 1 tunnel\n")
    said = spoil(path, how)
    assert cli.run(home, "config", "-f", file, "--test") == (
        1, f"culvert: {file}:6: login-file = {path}: {said}\n")


def test_config_test_beyond_loopback(conf, folder, sshd, tmp):
    """culvert config --test finds that a login file is missing."""
    file = conf(scans=["destination = files.test", f"F = {sshd.config}",
                       f"L = sftp/*:2121:{folder}", "allow = 192.0.2.0/24"])
    home = tmp / "home"
    home.mkdir()
    assert cli.run(home, "config", "-f", file, "--test") == (
        1, f"culvert: {file}:5: L = sftp/*:2121:{folder}: clients of other "
        "hosts could use the files without a password; \"login-file\" says "
        "who may log in (culvert passwd makes it)\n")


def test_readable_file(folder, logins, start_culvert):
    """A file that everybody can read is used, with a warning."""
    path = logins(line("joe", "secret"))
    path.chmod(0o644)
    one = start_culvert(f"sftp/0:{folder}",
                        options=["--login-file", str(path)])
    one.wait_log(f"^culvert: {path}: all users of this host can read it; use "
                 "chmod o-r$")
    with log_in(one) as ftp:
        assert fetch(ftp) == b"hello"


@pytest.mark.parametrize("owner", [0, NOBODY])
def test_other_user(owner, as_nobody, folder, logins):
    """With --user, the file may be root's, unreadable for that user; or that
    user's.
    """
    path = logins(line("joe", "secret"))
    os.chown(path, owner, -1)
    one = as_nobody(f"sftp/0:{folder}", options=["--login-file", str(path)])
    with log_in(one) as ftp:
        assert fetch(ftp) == b"hello"


# ---- reload ----

@pytest.fixture
def up(conf, folder, logins, sshd, start_up):
    """Return a culvert up with a gateway, and the path of its login file."""
    path = logins(line("joe", "secret"))
    one = start_up(conf(scans=to_sftp(sshd, folder, f"login-file = {path}")),
                   "--all", options=["-v"])
    return one, path


def test_reload(up):
    """A new password is valid; who is logged in stays, even without an
    account.
    """
    one, path = up
    with log_in(one) as ftp:
        subprocess.run([culvert.PROGRAM, "passwd", path, "joe"],
                       input=b"other\n", check=True)
        with log_in(one, "joe", "secret"):
            pass  # the file has not been read yet
        reload(one, "1 tunnel unchanged, 0 removed, 0 new")
        with connect(one) as new:
            assert wrong(new, "joe", "secret").startswith("530 ")
            new.login("joe", "other")
            assert fetch(new) == b"hello"
        path.write_text(line("jim", "secret"))
        reload(one, "1 tunnel unchanged, 0 removed, 0 new")
        with connect(one) as new:
            assert wrong(new, "joe", "other").startswith("530 ")
            new.login("jim", "secret")
        ftp.voidcmd("NOOP")
        assert fetch(ftp) == b"hello"


@pytest.mark.parametrize("how", SPOILT)
def test_reload_of_wrong_file(how, up, conf, folder, sshd):
    """Nothing is changed, and the log says why."""
    one, path = up
    said = spoil(path, how)
    conf(scans=to_sftp(sshd, folder, f"login-file = {path}"),
         other=to_sftp(sshd, folder))
    mark = one.mark()
    reload(one, "nothing has been changed")
    assert f"culvert: {path.parent}/culvert.conf:6: login-file = {path}: " \
        f"{said}" in one.process.lines[mark:]
    with log_in(one) as ftp:
        assert fetch(ftp) == b"hello"


def test_reload_as_other_user(conf, folder, logins, nobodys_sshd, start_up,
                              tmp):
    """With --user, that user reads the file at a reload, and may not be able
    to; config --test finds that.
    """
    path, home, run = logins(line("joe", "secret")), tmp / "home", tmp / "run"
    home.mkdir()
    run.mkdir()
    run.chmod(0o1777)
    file = conf(["user = nobody", "any-user = yes"], scans=to_sftp(
        nobodys_sshd, folder, f"login-file = {path}"))
    one = start_up(file, "--all", env={"XDG_RUNTIME_DIR": str(run),
                                       "TMPDIR": str(run)})
    said = f"culvert: {file}:8: login-file = {path}: Permission denied; " \
        "permit the user who runs culvert to read it"
    reload(one, f"^{said}$")
    assert cli.run(home, "config", "-f", file, "--test") == (1, f"{said}\n")
    os.chown(path, 0, NOBODY)
    path.chmod(0o640)
    path.write_text(line("joe", "changed"))
    assert cli.run(home, "config", "-f", file, "--test") == (
        0, f"{file}: 1 tunnel\n")
    reload(one, "1 tunnel unchanged, 0 removed, 0 new")
    with log_in(one, password="changed") as ftp:
        assert fetch(ftp) == b"hello"


def test_reload_of_other_files(up, conf, folder, logins, sshd, tmp):
    """Tunnels with other files, and with the same; a tunnel gets another
    file.
    """
    one, path = up
    other = tmp / "other"
    other.touch(0o600)
    other.write_text(line("jim", "secret"))
    first = to_sftp(sshd, folder, f"login-file = {path}")
    conf(scans=first, same=[*first, "keepalive = 60"],
         third=to_sftp(sshd, folder, f"login-file = {other}"))
    reload(one, "1 tunnel unchanged, 0 removed, 2 new")
    one.wait_ready(3)
    logins(line("joe", "changed"))
    reload(one, "3 tunnels unchanged, 0 removed, 0 new")
    names = [name for name in (found.split()[1] for found in
             one.process.lines if ": listening on " in found)]
    for name, port in zip(names, one.listeners):
        user = ("jim", "secret") if name == "third:" else ("joe", "changed")
        ftp = ftplib.FTP(timeout=60)
        ftp.connect(*port)
        ftp.login(*user)
        ftp.close()


def test_reload_of_one_tunnel(up, conf, folder, logins, sshd):
    """culvert reload NAME reads the file for that tunnel only."""
    one, path = up
    first = to_sftp(sshd, folder, f"login-file = {path}")
    conf(scans=first, other=[*first, "keepalive = 60"])
    reload(one, "1 tunnel unchanged, 0 removed, 1 new")
    one.wait_ready(2)
    logins(line("joe", "changed"))
    mark = one.mark()
    done = subprocess.run([culvert.PROGRAM, "reload", "other"], check=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": one.dir,
                               "TMPDIR": one.dir, "HOME": one.dir})
    assert done.returncode == 0
    one.wait_log("reloaded; ", start=mark)
    passwords = []
    for number in range(2):
        for password in "secret", "changed":
            ftp = connect(one, number)
            try:
                ftp.login("joe", password)
                passwords.append(password)
            except ftplib.error_perm:
                pass
            ftp.close()
    assert passwords == ["secret", "changed"]
