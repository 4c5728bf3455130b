"""culvert check: scripted FTP servers, for what no real one does."""

import time

import pytest

import scripted
from checker import default_sshd  # noqa: F401
from scripted import Listener, port_argument

# 1 s for a connection, 2 s for a reply, 4.5 s for a greeting.
QUICK = "--timeout", "1"


def play(listener, replies, then=None):
    """Play a server: each command has its reply; returns the commands."""
    seen = []

    def serve():
        with listener.accept() as one:
            one.reply(replies[""])
            while line := one._line().strip():
                seen.append(line)
                verb = line.split()[0]
                if then and verb in then:
                    then[verb](one, line)
                else:
                    one.reply(replies.get(verb, "500 what?"))

    return seen, scripted.start(serve)


PLAYED = {"": "220 played", "USER": "230 come in", "NOOP": "200 fine",
          "QUIT": "221 bye"}


@pytest.fixture
def played(ns, sshd, checker):
    """Return a function that reports on a scripted server."""
    listeners = []

    def report_on_played(replies, then=None, options=()):
        listener = scripted.server(ns)
        listeners.append(listener)
        checker.home.joinpath(".netrc").write_text(
            "machine 127.0.0.1 login tester password secret\n")
        checker.home.joinpath(".netrc").chmod(0o600)
        play(listener, {**PLAYED, **replies}, then)
        return checker("-F", sshd.config, *options, "-L",
                      f"0:127.0.0.1:{listener.port}", sshd.host)

    yield report_on_played
    for one in listeners:
        one.close()


def test_busy(played):
    """The server accepts no clients at the moment."""
    report = played({"": "421 Too many users"})
    assert report.status == 1
    assert "too many clients: 421 Too" in report.find("greeting")["text"]
    report = played({"": "421 Service not available."})
    assert "accepts no clients at the moment: 421 Ser" in \
        report.find("greeting")["text"]
    assert report.fixes("greeting")


def test_silent_about_the_password(played):
    """No reply does not mean that the password is wrong."""
    report = played({"USER": "331 and?"},
                    {"PASS": lambda control, _: time.sleep(3)}, QUICK)
    assert report.status == 1
    assert "no longer answers" in report.find("FTP")["text"]
    assert not report.has("FTP login")


def test_slow_greeting(ns, sshd, checker):
    """The server looks up names first, without success."""
    with scripted.server(ns) as listener:
        def serve():
            with listener.accept() as one:
                time.sleep(1.5)  # more than for a connection
                one.reply("421 at last")
        scripted.start(serve)
        report = checker(*QUICK, "-F", sshd.config, "-L",
                         f"0:127.0.0.1:{listener.port}", sshd.host)
    assert "421 at last" in report.find("greeting")["text"], report.brief()


def test_slow_listing(ns, played):
    """It comes slowly, for longer than the time-out of a reply."""
    with Listener(ns) as data:
        def listing(control, _):
            control.reply("150 here")
            with data.accept() as wire:
                for _ in range(6):
                    wire.send(b"line\r\n")
                    time.sleep(0.5)
            control.reply("226 done")

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing}, QUICK)
    assert "a listing of 36 bytes" in report.find("PASV")["text"]


def test_active_mode_hangs(ns, played):
    """The server tries to connect for longer than the time-out: only active
    mode fails.
    """
    with Listener(ns) as data:
        def listing(control, _):
            control.reply("150 here")
            data.accept().close()
            control.reply("226 done")
            control.expect_command("EPSV")
            control.reply("500 what?")
            control.read_command("PORT")
            control.reply("200 fine")
            control.expect_command("LIST")
            time.sleep(3)

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing}, QUICK)
    assert report.status == 0, report.brief()
    assert report.find("PORT")["status"] == "note"
    assert "does not connect to" in report.find("PORT")["text"]
    assert not report.has("FTP")
    assert " --server-mode passive " in report.json["command"]


@pytest.mark.parametrize("place", [
    "220 Microsoft FTP Service", "220 plain",
    "220-FileZilla Server 1.8.0\r\n220 hello"])
def test_other_kinds(place, played):
    """Servers that are recognized by their greeting, with their settings."""
    report = played({"": place, "USER": "534 Policy requires SSL.",
                     "SYST": "215 Windows_NT"})
    (where, line), _ = report.fixes("TLS")
    if "FileZilla" not in place:
        assert where == "IIS, applicationHost.config"
        assert line == 'ftpServer/security/ssl ' \
            'controlChannelPolicy="SslAllow"'
    else:
        assert where == "FileZilla Server, Configure"
        assert "insecure plain FTP" in line


def test_no_port_in_the_reply(played):
    """A reply without a port: nothing is invented."""
    report = played({"PASV": "227 Entering Passive Mode", "EPSV": "229 Go on"})
    assert report.find("PASV")["status"] == "WRONG"
    assert "reply contains no port" in report.find("EPSV")["text"]


def test_closed_data_port(ns, played):
    """It announces a port on which nothing listens."""
    port = ns.free_port()
    report = played(
        {"PASV": f"227 ({port_argument('127.0.0.1', port)})"})
    finding = report.find("PASV")
    assert finding["status"] == "WRONG"
    assert f"the server's data port {port}: Connection refused" in \
        finding["text"]
    assert report.fixes("PASV")[0][0] == "the FTP server's configuration"


def test_cut_listing(ns, played):
    """Data without a good final reply are no listing."""
    with Listener(ns) as data:
        def listing(control, _):
            control.reply("150 here")
            with data.accept() as wire:
                wire.send(b"half")
            control.reply("426 cut off")

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing})
    finding = report.find("PASV")
    assert finding["status"] == "WRONG"
    assert "incomplete (4 bytes): 426 cut off" in finding["text"]


def test_preliminary_replies(ns, played):
    """Endless preliminary replies end the wait."""
    report = played({"": "\r\n".join(["120 soon"] * 20)})
    assert report.status == 1
    assert "accepts no clients at the moment: 120 soon" in \
        report.find("greeting")["text"]
    with Listener(ns) as data:
        def listing(control, _):
            control.reply(*["150 soon"] * 20)
            data.accept().close()

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing})
    assert report.find("PASV")["status"] == "WRONG"


def test_too_long_reply(played):
    """A reply that is too long, in one line and in many."""
    report = played({"": "220 " + "x" * 9000, "FEAT": "\r\n".join(
        ["211-first", *[f" FEATURE {'y' * 500}"] * 400, "211 end"])})
    assert report.find("FEAT")["status"] == "ok"
    assert len(report.output) < 100000


def test_server_ends(played):
    """The server ends the connection in the middle."""
    def go(control, _):
        control.close()

    report = played({}, {"PASV": go})
    assert report.status == 1
    assert "no longer answers" in report.find("FTP")["text"]


def test_escapes(played):
    """Text of a server is escaped."""
    report = played({"": "220 \x1b[2Jhello\x07"})
    assert "\\x1b[2Jhello\\x07" in report.find("greeting")["text"]
