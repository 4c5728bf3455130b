"""culvert check: logins to FTP servers, and where passwords come from."""

import pytest

import cli
import culvert
import scripted
from checker import report_on, default_sshd, start  # noqa: F401
from servers import ACTIVE, PASSIVE


def test_wrong_password(server, checker, report_on):
    """The report quotes the server and names the user; the right one works."""
    one = server("vsftpd")
    checker.netrc(one, password="wrong-secret")
    report = report_on(one)
    assert report.status == 1
    finding = report.find("FTP login")
    assert finding["status"] == "WRONG"
    assert "accept that password for tester: 530 Login incorrect." in \
        finding["text"]
    assert report.fixes("FTP login")[0][0] == "this host"
    assert report.fixes("FTP login")[1][0] == "vsftpd.conf"
    assert "wrong-secret" not in report.output + report.errors
    checker.netrc(one)
    report_on(one).all_well()


def test_no_user(server, report_on):
    """Without a user it reports what was not tried, with another status."""
    report = report_on(server("vsftpd"))
    assert report.status == 3
    assert report.json["transfers"] == "unknown"
    finding = report.find("FTP login")
    assert finding["status"] == "untried"
    assert "culvert check --user NAME" in report.fixes("FTP login")[0][1]
    assert {report.find(verb)["status"] for verb in ACTIVE | PASSIVE} == \
        {"untried"}
    assert report.find("round trip")["status"] == "ok"


def test_user_without_terminal(server, checker, report_on):
    """A user without a password in a file, and no terminal."""
    one = server("vsftpd")
    report = report_on(one, "--user", "tester")
    assert report.status == 3
    (place, line), _ = report.fixes("FTP login")
    assert place == f"{checker.home}/.netrc"
    assert line == "machine 127.0.0.1 login tester password PASSWORD"
    path = checker.home / "own-netrc"
    path.write_text(line.replace("PASSWORD", one.password))
    path.chmod(0o644)
    report = report_on(one, "--user", "tester", "--netrc", path)
    assert report.status == 0
    assert report.find("netrc")["status"] == "note"
    (_, command), = report.fixes("netrc")
    checker.shell(command)
    report_on(one, "--user", "tester", "--netrc", path).all_well()


def test_wrong_netrc(server, checker, report_on):
    """A netrc file that does not exist, and an invalid one."""
    one = server("vsftpd")
    report = report_on(one, "--netrc", checker.home / "nowhere")
    assert report.status == 3
    assert "No such file" in report.find("netrc")["text"]
    (checker.home / ".netrc").write_text("machine")
    report = report_on(one)
    assert report.status == 3
    assert "has a syntax error" in report.find("netrc")["text"]


def test_password_on_the_terminal(server, sshd, checker):
    """It asks for the password without echo, and uses it."""
    one = server("vsftpd")
    terminal = cli.Terminal(
        [culvert.PROGRAM, "check", "--user", "tester", "-F", sshd.config,
         "-L", f"0:127.0.0.1:{one.port}", sshd.host], checker.environment())
    try:
        terminal.wait_for("FTP password of tester: ")
        assert not terminal.echoes()
        terminal.type("secret\n")
        terminal.wait_for("Transfers will work.")
        assert terminal.echoes()
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert "secret" not in terminal.text
    assert not culvert.SANITIZER.search(terminal.text), terminal.text


def test_ctrl_c_at_the_password(sshd, checker):
    """It ends, restores the terminal, and leaves nothing."""
    terminal = cli.Terminal(
        [culvert.PROGRAM, "check", "--user", "tester", "-F", sshd.config,
         "-L", "0:127.0.0.1:21", sshd.host], checker.environment())
    try:
        terminal.wait_for("FTP password of tester: ")
        terminal.type("\x03")
        assert terminal.wait() == 3
        assert terminal.echoes()
    finally:
        terminal.close()
    assert not list(checker.home.glob("culvert.*"))


def test_passwords_are_in_no_log(server, sshd, checker):
    """The same with -v -v."""
    one = server("vsftpd")
    checker.netrc(one)
    status, said, errors = checker.raw(
        "-v", "-v", "-F", sshd.config, "-L", f"0:127.0.0.1:{one.port}",
        sshd.host)
    assert status == 0, said
    assert "debug1: " in errors
    assert one.password not in said + errors


def test_stopped_at_the_password(server, sshd, checker):
    """After Ctrl-Z and fg it asks again."""
    one = server("vsftpd")
    argv = [culvert.PROGRAM, "check", "--user", "tester", "-F", sshd.config,
            "-L", f"0:127.0.0.1:{one.port}", sshd.host]
    terminal = cli.Terminal(["bash", "-ic", 'set -m; "$@"; fg', "sh", *argv],
                            checker.environment())
    try:
        terminal.wait_for("FTP password of tester: ")
        terminal.type("sec\x1a")
        terminal.wait_for("FTP password of tester: ")
        assert not terminal.echoes()
        terminal.type("secret\n")
        terminal.wait_for("Transfers will work.")
        assert terminal.wait() == 0
    finally:
        terminal.close()


def test_anonymous(start, report_on, checker):
    """Any password is valid for this user; the report names the setting."""
    one = start("vsftpd")
    checker.netrc(one)
    path = checker.home / ".netrc"
    path.write_text(path.read_text().replace("tester", "anonymous"))
    report = report_on(one)
    assert report.status == 1
    assert report.fixes("FTP login")[0] == ("vsftpd.conf",
                                            "anonymous_enable=YES")


def hold(one, *commands):
    """Connect to a server from its own host, and stay there."""
    wire = scripted.Wire(one.ns.socket(), one.ns)
    wire.sock.connect((one.address, one.port))
    wire.read_line()
    for command in commands:
        wire.send(command + b"\r\n")
        wire.read_line()
    return wire


@pytest.mark.parametrize("kind, line, step, place, names", [
    ("vsftpd", "max_per_ip=1", "greeting", "vsftpd.conf", "max_per_ip"),
    ("vsftpd", "max_clients=1", "greeting", "vsftpd.conf", "max_clients"),
    ("proftpd", "MaxClientsPerHost 1", "FTP login", "proftpd.conf",
     "MaxClientsPerHost"),
])
def test_too_many(kind, line, step, place, names, start, report_on):
    """Too many clients from one address, which is sshd's."""
    one = start(kind, lines=[line])
    with hold(one, b"USER tester", b"PASS secret"):
        report = report_on(one)
    assert report.status == 1
    assert "has too many clients" in report.find(step)["text"]
    (where, put), = report.fixes(step)
    assert where == place and names in put
    report_on(start(kind)).all_well()
