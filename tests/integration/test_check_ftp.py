"""culvert check: FTP servers, their settings and logins."""

import contextlib
import time

import pytest

import cli
import culvert
import scripted
import servers
from checker import default_sshd  # noqa: F401
from scripted import Listener, port_argument
from servers import ACTIVE, KINDS, MORE_KINDS, PASSIVE
from test_refused_tls import make_certificate


@pytest.fixture
def start(start_server, checker):
    """Return a function that starts a server; ~/.netrc has its user."""
    def start_one(kind, **how):
        one = start_server(kind, **how)
        checker.netrc(one)
        return one

    return start_one


@pytest.fixture
def ask(sshd, checker):
    """Return a function: (server, options) to the report on it."""
    def ask_one(server, *argv):
        return checker("-F", sshd.config, *argv,
                      "-L", f"0:{server.address}:{server.port}", sshd.host)

    return ask_one


# ---- servers as they are ----

@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_server(kind, server, checker, ask):
    """Nothing is wrong, and what it is like is told."""
    one = server(kind)
    checker.netrc(one)
    place = one.mkdir("check") if not (one.root / "check").exists() else None
    report = ask(one)
    report.all_well()
    assert place is None or int(
        report.find("PASV")["text"].split()[3]) > 0, "the listing is not whole"
    for verb in "PASV", "EPSV", "PORT", "EPRT":
        assert "a listing of " in report.find(verb)["text"]
    assert report.find("address in 227")["text"] == "127.0.0.1"
    assert " ms, a command " in report.find("round trip")["text"]
    assert report.json["command"].endswith(
        f" -L 0:127.0.0.1:{one.port} files.test")
    assert "--server-mode" not in report.json["command"]


def test_ipv6(server, checker, sshd):
    """A server on IPv6 has no PORT."""
    one = server("vsftpd", "::1")
    checker.netrc(one)
    report = checker("-F", sshd.config, "-L", f"0:[::1]:{one.port}", sshd.host)
    report.all_well()
    assert report.find("PORT")["status"] == "skipped"
    assert 'permitopen="[::1]:*"' in report.json["authorized_keys"]


def test_ipv6_behind_a_name(server, checker, sshd):
    """Its name means ::1 to sshd: so EPRT is for that."""
    one = server("vsftpd", "::1")
    checker.netrc(one, machine="localhost")
    report = checker("-F", sshd.config, "-L", f"0:localhost:{one.port}",
                    sshd.host)
    report.all_well()
    assert report.find("PORT")["status"] == "skipped"
    assert 'permitlisten="[::1]:*"' in report.json["authorized_keys"]


# ---- modes that are refused ----

REFUSED = [
    ("vsftpd", ACTIVE, "PORT", "vsftpd.conf", "port_enable=YES", "passive"),
    ("vsftpd", PASSIVE, "PASV", "vsftpd.conf", "pasv_enable=YES", "active"),
    ("vsftpd", {"EPSV"}, "EPSV", "vsftpd.conf", "cmds_denied without EPSV, "
     "and in cmds_allowed, where that is set, with it", None),
    ("proftpd", ACTIVE, "EPRT", "proftpd.conf",
     "no DenyAll in a <Limit PORT EPRT>", "passive"),
    ("proftpd", PASSIVE, "EPSV", "proftpd.conf",
     "no DenyAll in a <Limit PASV EPSV>", "active"),
    ("proftpd", {"EPRT"}, "EPRT", "proftpd.conf",
     "no DenyAll in a <Limit EPRT>", None),
    ("pure-ftpd", PASSIVE, "PASV", "pure-ftpd's options, or "
     "/etc/pure-ftpd/conf", "without -N (NATmode no)", "active"),
    ("pyftpdlib", ACTIVE, "PORT", "the program that uses pyftpdlib",
     "PORT and EPRT in FTPHandler.proto_cmds", "passive"),
]


@pytest.mark.parametrize("kind, without, verb, place, line, mode", REFUSED)
def test_refused(kind, without, verb, place, line, mode, start, ask):
    """culvert gets round it; and the server's own setting is named."""
    report = ask(start(kind, without=without))
    finding = report.find(verb)
    assert finding["status"] == "note", report.brief()
    assert report.status == 0
    assert report.fixes(verb) == [(place, line)]
    assert (f" --server-mode {mode} " in report.json["command"]) == bool(mode)
    if mode:
        assert ask(start(kind, without=without), "--server-mode",
                   mode).brief() == ""
    ask(start(kind)).all_well()


def test_refused_and_asked_for(start, ask):
    """--server-mode wants the one that is refused."""
    report = ask(start("vsftpd", without=ACTIVE), "--server-mode", "active")
    assert report.status == 1
    assert report.find("PORT")["status"] == "WRONG"
    assert report.fixes("PORT") == [("vsftpd.conf", "port_enable=YES")]
    report = ask(start("vsftpd", lines=["port_enable=YES"]),
                 "--server-mode", "active")
    report.all_well()


def test_refused_on_another_host(ns, sshd, start, checker):
    """It may be the address, or any: both are fixed."""
    server = start("vsftpd", address=ns.far4, without=ACTIVE)
    report = checker("-F", sshd.config, "-L", f"0:{ns.far4}:{server.port}",
                    sshd.host)
    assert ("vsftpd.conf", "port_enable=YES") in report.fixes("PORT")


def test_nothing_is_listed(start, ask):
    """LIST itself is refused: that says nothing of active mode."""
    one = start("vsftpd", lines=["dirlist_enable=NO"])
    report = ask(one)
    assert report.status == 0, report.brief()
    for verb in ACTIVE | PASSIVE:
        assert report.find(verb)["status"] == "note"
        assert "lists nothing: 550" in report.find(verb)["text"]
    assert "--server-mode" not in report.json["command"]
    report = ask(one, "--server-mode", "active")
    assert report.status == 3, report.brief()
    assert report.find("PORT")["status"] == "untried"


def test_both_refused(start, ask):
    """Neither mode: transfers fail."""
    report = ask(start("vsftpd", without=ACTIVE | PASSIVE))
    assert report.status == 1
    assert {report.find(verb)["status"] for verb in ACTIVE | PASSIVE} == \
        {"WRONG"}
    lines = [line for verb in ("PASV", "PORT")
             for _, line in report.fixes(verb)]
    ask(start("vsftpd", lines=lines)).all_well()


# ---- the address in a 227 ----

def test_wrong_address(start, ask):
    """culvert does not mind, but says it."""
    report = ask(start("vsftpd", lines=["pasv_address=10.9.8.7"]))
    finding = report.find("address in 227")
    assert finding["status"] == "note"
    assert "10.9.8.7 is not 127.0.0.1" in finding["text"]
    assert report.status == 0
    (place, line), = report.fixes("address in 227")
    assert (place, line) == ("vsftpd.conf", "pasv_address=127.0.0.1")
    ask(start("vsftpd", lines=[line])).all_well()


def test_wrong_address_is_believed(start, ask):
    """With --server-data-host reply PASV fails, and culvert falls back."""
    option = "--server-data-host", "reply"
    report = ask(start("vsftpd", lines=["pasv_address=10.9.8.7"]), *option)
    assert report.status == 0
    assert report.find("PASV")["status"] == "note"
    assert report.find("address in 227")["status"] == "note"
    fixes = report.fixes("address in 227")
    assert fixes[0] == ("vsftpd.conf", "pasv_address=127.0.0.1")
    ask(start("vsftpd", lines=[fixes[0][1]]), *option).all_well()


def test_wrong_address_of_proftpd(start, ask):
    """proftpd's name for it."""
    report = ask(start("proftpd", lines=["MasqueradeAddress 10.9.8.7"]))
    assert report.fixes("address in 227") == [
        ("proftpd.conf", "MasqueradeAddress 127.0.0.1 (or none)")]


# ---- TLS ----

class TlsServer(servers.Server):
    """vsftpd or pure-ftpd that demands TLS."""

    def __init__(self, kind, demand, *where):
        self.demand = demand
        super().__init__(kind, *where)

    def _prepare_vsftpd(self):
        argv = super()._prepare_vsftpd()
        with open(self.dir / "vsftpd.conf", "a") as file:
            file.write("ssl_enable=YES\nrequire_ssl_reuse=NO\n"
                       f"ssl_ciphers=HIGH\n{self.demand}\n"
                       f"rsa_cert_file={make_certificate(self.dir)}\n")
        return argv

    def _prepare_pureftpd(self):
        return [*super()._prepare_pureftpd(), *self.demand.split(), "-2",
                make_certificate(self.dir)]


TLS = [
    ("vsftpd", "force_local_logins_ssl=YES\nforce_local_data_ssl=NO",
     "vsftpd.conf", "force_local_logins_ssl=NO",
     "force_local_logins_ssl=NO\nforce_local_data_ssl=NO"),
    ("vsftpd", "force_local_logins_ssl=NO\nforce_local_data_ssl=YES",
     "vsftpd.conf", "force_local_data_ssl=NO",
     "force_local_logins_ssl=NO\nforce_local_data_ssl=NO"),
    ("pure-ftpd", "-Y 2", "pure-ftpd's options, or /etc/pure-ftpd/conf", "-Y 1 (TLS 1)", "-Y 1"),
]


@pytest.mark.parametrize("kind, demand, place, line, fixed", TLS)
def test_tls_demanded(kind, demand, place, line, fixed, ns, directories,
                      checker, ask):
    """A server that lets nobody in without TLS, and its fix."""
    one = TlsServer(kind, demand, ns, directories())
    try:
        checker.netrc(one)
        report = ask(one)
    finally:
        one.stop()
    assert report.status == 1
    assert report.find("TLS")["status"] == "WRONG", report.brief()
    assert (place, line) in report.fixes("TLS")
    assert ("culvert's command line", "--allow-tls") in report.fixes("TLS")
    one = TlsServer(kind, fixed, ns, directories())
    try:
        checker.netrc(one)
        report = ask(one)
    finally:
        one.stop()
    report.all_well()
    assert "offered, not demanded" in report.find("TLS")["text"]


# ---- where it is ----

def test_closed_port(ns, sshd, server, checker):
    """Nobody listens at the FTP port."""
    report = checker("-F", sshd.config, "-L", f"0:127.0.0.1:{ns.free_port()}",
                    sshd.host)
    assert report.status == 1
    finding = report.find("connect")
    assert finding["status"] == "WRONG"
    assert "as the SSH server sees it: Connection refused" in finding["text"]
    assert report.fixes("connect")[0][1].endswith("the FTP server's port at its "
                                               "end")
    one = server("vsftpd")
    checker.netrc(one)
    checker("-F", sshd.config, "-L", f"0:127.0.0.1:{one.port}",
           sshd.host).all_well()


def test_unknown_name(sshd, checker):
    """The SSH server does not know the name."""
    report = checker("-F", sshd.config, "-L", "0:ftp.invalid:21", sshd.host)
    assert report.status == 1
    assert "does not know ftp.invalid:21" in report.find("connect")["text"]


def test_not_ftp(ns, sshd, checker):
    """Something else is there."""
    report = checker("-F", sshd.config, "-L", f"0:{ns.far4}:{sshd.port}",
                    sshd.host)
    assert report.status == 1
    finding = report.find("greeting")
    assert finding["status"] == "WRONG"
    assert "is no FTP server; it says SSH-2.0-OpenSSH" in finding["text"]


@pytest.mark.parametrize("words, seen", [
    (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"),
    (b"Welcome\r\nto this\r\n", "Welcome"),
    (b"\r\nWelcome\r\n220 ready\r\n", None)])
def test_words_before_the_greeting(words, seen, ns, sshd, checker):
    """A banner is no reason, if the greeting comes behind it."""
    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                with listener.accept() as server:
                    server.send(words)
                    if seen is None:
                        server.expect_command("FEAT")

    with scripted.server(ns) as listener:
        scripted.start(serve, listener)
        report = checker("-F", sshd.config, "-L",
                        f"0:127.0.0.1:{listener.port}", sshd.host)
    finding = report.find("greeting")
    if seen is None:
        assert finding["status"] == "ok"
    else:
        assert finding["status"] == "WRONG"
        assert f"is no FTP server; it says {seen}" in finding["text"]


# ---- logins ----

def test_wrong_password(server, checker, ask):
    """The server's words, and whose it is; with the right one all is well."""
    one = server("vsftpd")
    checker.netrc(one, password="wrong-secret")
    report = ask(one)
    assert report.status == 1
    finding = report.find("FTP login")
    assert finding["status"] == "WRONG"
    assert "let tester in with that password: 530 Login incorrect." in \
        finding["text"]
    assert report.fixes("FTP login")[0][0] == "this host"
    assert report.fixes("FTP login")[1][0] == "vsftpd.conf"
    assert "wrong-secret" not in report.output + report.errors
    checker.netrc(one)
    ask(one).all_well()


def test_no_user(server, ask):
    """Nobody is named: it says what was not tried, by another status."""
    report = ask(server("vsftpd"))
    assert report.status == 3
    assert report.json["transfers"] == "unknown"
    finding = report.find("FTP login")
    assert finding["status"] == "untried"
    assert "culvert check --user NAME" in report.fixes("FTP login")[0][1]
    assert {report.find(verb)["status"] for verb in ACTIVE | PASSIVE} == \
        {"untried"}
    assert report.find("round trip")["status"] == "ok"


def test_user_without_terminal(server, checker, ask):
    """A user whose password is nowhere, and nobody to ask."""
    one = server("vsftpd")
    report = ask(one, "--user", "tester")
    assert report.status == 3
    (place, line), _ = report.fixes("FTP login")
    assert place == f"{checker.home}/.netrc"
    assert line == "machine 127.0.0.1 login tester password PASSWORD"
    path = checker.home / "own-netrc"
    path.write_text(line.replace("PASSWORD", one.password))
    path.chmod(0o644)
    report = ask(one, "--user", "tester", "--netrc", path)
    assert report.status == 0
    assert report.find("netrc")["status"] == "note"
    (_, command), = report.fixes("netrc")
    checker.shell(command)
    ask(one, "--user", "tester", "--netrc", path).all_well()


def test_wrong_netrc(server, checker, ask):
    """A file that is not there, and one that makes no sense."""
    one = server("vsftpd")
    report = ask(one, "--netrc", checker.home / "nowhere")
    assert report.status == 3
    assert "No such file" in report.find("netrc")["text"]
    (checker.home / ".netrc").write_text("machine")
    report = ask(one)
    assert report.status == 3
    assert "make no sense" in report.find("netrc")["text"]


def test_password_on_the_terminal(server, sshd, checker):
    """It is asked for, not shown, and used."""
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
    """It ends, with the terminal as it was, and nothing left."""
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
    """With -v -v, too."""
    one = server("vsftpd")
    checker.netrc(one)
    status, said, errors = checker.raw(
        "-v", "-v", "-F", sshd.config, "-L", f"0:127.0.0.1:{one.port}",
        sshd.host)
    assert status == 0, said
    assert "debug1: " in errors
    assert one.password not in said + errors


def test_stopped_at_the_password(server, sshd, checker):
    """Who stops it there, and goes on, is asked again."""
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


def test_anonymous(start, ask, checker):
    """No password is wrong for him; the server's setting is another."""
    one = start("vsftpd")
    checker.netrc(one)
    path = checker.home / ".netrc"
    path.write_text(path.read_text().replace("tester", "anonymous"))
    report = ask(one)
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
def test_too_many(kind, line, step, place, names, start, ask):
    """Others are there already, from the same address, as SSH makes it."""
    one = start(kind, lines=[line])
    with hold(one, b"USER tester", b"PASS secret"):
        report = ask(one)
    assert report.status == 1
    assert "has too many clients" in report.find(step)["text"]
    (where, put), = report.fixes(step)
    assert where == place and names in put
    ask(start(kind)).all_well()


# ---- what no real server here does ----

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

    def ask_played(replies, then=None, options=()):
        listener = scripted.server(ns)
        listeners.append(listener)
        checker.home.joinpath(".netrc").write_text(
            "machine 127.0.0.1 login tester password secret\n")
        checker.home.joinpath(".netrc").chmod(0o600)
        play(listener, {**PLAYED, **replies}, then)
        return checker("-F", sshd.config, *options, "-L",
                      f"0:127.0.0.1:{listener.port}", sshd.host)

    yield ask_played
    for one in listeners:
        one.close()


def test_busy(played):
    """It accepts no clients now."""
    report = played({"": "421 Too many users"})
    assert report.status == 1
    assert "too many clients: 421 Too" in report.find("greeting")["text"]
    report = played({"": "421 Service not available."})
    assert "accepts no clients now: 421 Ser" in report.find("greeting")["text"]
    assert report.fixes("greeting")


def test_silent_about_the_password(played):
    """No reply is not the reply that the password is wrong."""
    report = played({"USER": "331 and?"},
                    {"PASS": lambda control, _: time.sleep(22)})
    assert report.status == 1
    assert "does not answer any more" in report.find("FTP")["text"]
    assert not report.has("FTP login")


def test_slow_greeting(ns, sshd, checker):
    """It looks up names first, in vain."""
    with scripted.server(ns) as listener:
        def serve():
            with listener.accept() as one:
                time.sleep(12)  # more than for a connection
                one.reply("421 at last")
        scripted.start(serve)
        report = checker("-F", sshd.config, "-L",
                        f"0:127.0.0.1:{listener.port}", sshd.host)
    assert "421 at last" in report.find("greeting")["text"], report.brief()


def test_slow_listing(ns, played):
    """It comes little by little, for longer than one waits for a reply."""
    with Listener(ns) as data:
        def listing(control, _):
            control.reply("150 here")
            with data.accept() as wire:
                for _ in range(23):
                    wire.send(b"line\r\n")
                    time.sleep(1)
            control.reply("226 done")

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing})
    assert "a listing of 138 bytes" in report.find("PASV")["text"]


def test_active_mode_hangs(ns, played):
    """It tries to connect for longer than one waits: said of that alone."""
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
            time.sleep(22)

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing})
    assert report.status == 0, report.brief()
    assert report.find("PORT")["status"] == "note"
    assert "does not connect to" in report.find("PORT")["text"]
    assert not report.has("FTP")
    assert " --server-mode passive " in report.json["command"]


@pytest.mark.parametrize("place", [
    "220 Microsoft FTP Service", "220 plain",
    "220-FileZilla Server 1.8.0\r\n220 hello"])
def test_other_kinds(place, played):
    """Servers that are recognised, with their own settings."""
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
    """Nothing is made up where nothing can be read."""
    report = played({"PASV": "227 Entering Passive Mode", "EPSV": "229 Go on"})
    assert report.find("PASV")["status"] == "WRONG"
    assert "no port is found" in report.find("EPSV")["text"]


def test_closed_data_port(ns, played):
    """It announces a port that nobody listens at."""
    port = ns.free_port()
    report = played(
        {"PASV": f"227 ({port_argument('127.0.0.1', port)})"})
    finding = report.find("PASV")
    assert finding["status"] == "WRONG"
    assert f"the server's data port {port}: Connection refused" in \
        finding["text"]
    assert report.fixes("PASV")[0][0] == "the FTP server's configuration"


def test_cut_listing(ns, played):
    """Data, and then no good end: no listing."""
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
    assert "not whole (4 bytes): 426 cut off" in finding["text"]


def test_preliminary_replies(ns, played):
    """Without end: it does not wait for one."""
    report = played({"": "\r\n".join(["120 soon"] * 20)})
    assert report.status == 1
    assert "accepts no clients now: 120 soon" in report.find("greeting")["text"]
    with Listener(ns) as data:
        def listing(control, _):
            control.reply(*["150 soon"] * 20)
            data.accept().close()

        report = played({"PASV": f"227 ({data.port_argument()})"},
                        {"LIST": listing})
    assert report.find("PASV")["status"] == "WRONG"


def test_much(played):
    """More than any reply has, in one line and in many."""
    report = played({"": "220 " + "x" * 9000, "FEAT": "\r\n".join(
        ["211-first", *[f" FEATURE {'y' * 500}"] * 400, "211 end"])})
    assert report.find("FEAT")["status"] == "ok"
    assert len(report.output) < 100000


def test_lost(played):
    """It goes away in the middle."""
    def go(control, _):
        control.close()

    report = played({}, {"PASV": go})
    assert report.status == 1
    assert "does not answer any more" in report.find("FTP")["text"]


def test_escapes(played):
    """What a server says reaches no terminal as it is."""
    report = played({"": "220 \x1b[2Jhello\x07"})
    assert "\\x1b[2Jhello\\x07" in report.find("greeting")["text"]
