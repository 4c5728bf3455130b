"""culvert check: FTP servers, their modes, addresses, TLS and settings."""

import contextlib

import pytest

import scripted
import servers
from checker import report_on, default_sshd, start  # noqa: F401
from servers import ACTIVE, KINDS, MORE_KINDS, PASSIVE
from test_refused_tls import make_certificate


# ---- servers as they are ----

@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_server(kind, server, checker, report_on):
    """Nothing is wrong, and the report describes the server."""
    one = server(kind)
    checker.netrc(one)
    place = one.mkdir("check") if not (one.root / "check").exists() else None
    report = report_on(one)
    report.all_well()
    assert place is None or int(
        report.find("PASV")["text"].split()[3]) > 0, "incomplete"
    for verb in "PASV", "EPSV", "PORT", "EPRT":
        assert "a listing of " in report.find(verb)["text"]
    assert report.find("address in 227")["text"] == "127.0.0.1"
    assert " ms from a command " in report.find("round trip")["text"]
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
    """Its name means ::1 to sshd, so EPRT is used."""
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
    ("vsftpd", {"EPSV"}, "EPSV", "vsftpd.conf", "remove EPSV from "
     "cmds_denied, and add it to cmds_allowed if that is set", None),
    ("proftpd", ACTIVE, "EPRT", "proftpd.conf",
     "no DenyAll in <Limit PORT EPRT>", "passive"),
    ("proftpd", PASSIVE, "EPSV", "proftpd.conf",
     "no DenyAll in <Limit PASV EPSV>", "active"),
    ("proftpd", {"EPRT"}, "EPRT", "proftpd.conf",
     "no DenyAll in <Limit EPRT>", None),
    ("pure-ftpd", PASSIVE, "PASV", "pure-ftpd's options, or "
     "/etc/pure-ftpd/conf", "without -N (NATmode no)", "active"),
    ("pyftpdlib", ACTIVE, "PORT", "the program that uses pyftpdlib",
     "PORT and EPRT in FTPHandler.proto_cmds", "passive"),
]


@pytest.mark.parametrize("kind, without, verb, place, line, mode", REFUSED)
def test_refused(kind, without, verb, place, line, mode, start, report_on):
    """culvert uses another command, and the report names the server's setting.
    """
    report = report_on(start(kind, without=without))
    finding = report.find(verb)
    assert finding["status"] == "note", report.brief()
    assert report.status == 0
    assert report.fixes(verb) == [(place, line)]
    assert (f" --server-mode {mode} " in report.json["command"]) == bool(mode)
    if mode:
        assert report_on(start(kind, without=without), "--server-mode",
                   mode).brief() == ""
    report_on(start(kind)).all_well()


def test_refused_and_forced(start, report_on):
    """--server-mode forces the mode that the server refuses."""
    report = report_on(start("vsftpd", without=ACTIVE), "--server-mode",
                       "active")
    assert report.status == 1
    assert report.find("PORT")["status"] == "WRONG"
    assert report.fixes("PORT") == [("vsftpd.conf", "port_enable=YES")]
    report = report_on(start("vsftpd", lines=["port_enable=YES"]),
                 "--server-mode", "active")
    report.all_well()


def test_refused_on_another_host(ns, sshd, start, checker):
    """Either the address or the mode may be the cause: both have a fix."""
    server = start("vsftpd", address=ns.far4, without=ACTIVE)
    report = checker("-F", sshd.config, "-L", f"0:{ns.far4}:{server.port}",
                    sshd.host)
    assert ("vsftpd.conf", "port_enable=YES") in report.fixes("PORT")


def test_nothing_is_listed(start, report_on):
    """The server refuses LIST: active mode cannot be judged."""
    one = start("vsftpd", lines=["dirlist_enable=NO"])
    report = report_on(one)
    assert report.status == 0, report.brief()
    for verb in ACTIVE | PASSIVE:
        assert report.find(verb)["status"] == "note"
        assert "refuses to list: 550" in report.find(verb)["text"]
    assert "--server-mode" not in report.json["command"]
    report = report_on(one, "--server-mode", "active")
    assert report.status == 3, report.brief()
    assert report.find("PORT")["status"] == "untried"


def test_both_refused(start, report_on):
    """Neither mode works: transfers fail."""
    report = report_on(start("vsftpd", without=ACTIVE | PASSIVE))
    assert report.status == 1
    assert {report.find(verb)["status"] for verb in ACTIVE | PASSIVE} == \
        {"WRONG"}
    lines = [line for verb in ("PASV", "PORT")
             for _, line in report.fixes(verb)]
    report_on(start("vsftpd", lines=lines)).all_well()


# ---- the address in a 227 ----

def test_wrong_address(start, report_on):
    """It does not matter to culvert, but is reported."""
    report = report_on(start("vsftpd", lines=["pasv_address=10.9.8.7"]))
    finding = report.find("address in 227")
    assert finding["status"] == "note"
    assert "10.9.8.7 is not 127.0.0.1" in finding["text"]
    assert report.status == 0
    (place, line), = report.fixes("address in 227")
    assert (place, line) == ("vsftpd.conf", "pasv_address=127.0.0.1")
    report_on(start("vsftpd", lines=[line])).all_well()


def test_wrong_address_is_used(start, report_on):
    """With --server-data-host reply PASV fails, and culvert falls back."""
    option = "--server-data-host", "reply"
    report = report_on(start("vsftpd", lines=["pasv_address=10.9.8.7"]),
                       *option)
    assert report.status == 0
    assert report.find("PASV")["status"] == "note"
    assert report.find("address in 227")["status"] == "note"
    fixes = report.fixes("address in 227")
    assert fixes[0] == ("vsftpd.conf", "pasv_address=127.0.0.1")
    report_on(start("vsftpd", lines=[fixes[0][1]]), *option).all_well()


def test_wrong_address_of_proftpd(start, report_on):
    """The same with proftpd's setting."""
    report = report_on(start("proftpd", lines=["MasqueradeAddress 10.9.8.7"]))
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
    ("pure-ftpd", "-Y 2", "pure-ftpd's options, or /etc/pure-ftpd/conf",
     "-Y 1 (TLS 1)", "-Y 1"),
]


@pytest.mark.parametrize("kind, demand, place, line, fixed", TLS)
def test_tls_demanded(kind, demand, place, line, fixed, ns, directories,
                      checker, report_on):
    """A server that requires TLS, and the fix."""
    def report_of(line):
        one = TlsServer(kind, line, ns, directories())
        try:
            checker.netrc(one)
            return report_on(one)
        finally:
            one.stop()

    report = report_of(demand)
    assert report.status == 1
    assert report.find("TLS")["status"] == "WRONG", report.brief()
    assert (place, line) in report.fixes("TLS")
    assert ("culvert's command line", "--allow-tls") in report.fixes("TLS")
    report = report_of(fixed)
    report.all_well()
    assert "offered, but not required" in report.find("TLS")["text"]


# ---- where it is ----

def test_closed_port(ns, sshd, server, checker):
    """Nothing listens on the FTP port."""
    report = checker("-F", sshd.config, "-L", f"0:127.0.0.1:{ns.free_port()}",
                    sshd.host)
    assert report.status == 1
    finding = report.find("connect")
    assert finding["status"] == "WRONG"
    assert "as seen from the SSH server: Connection refused" in finding["text"]
    assert report.fixes("connect")[0][1].endswith(
        "the FTP server's port at the end")
    one = server("vsftpd")
    checker.netrc(one)
    checker("-F", sshd.config, "-L", f"0:127.0.0.1:{one.port}",
           sshd.host).all_well()


def test_unknown_name(sshd, checker):
    """The SSH server does not know the name."""
    report = checker("-F", sshd.config, "-L", "0:ftp.invalid:21", sshd.host)
    assert report.status == 1
    assert "cannot find the host of ftp.invalid:21" in \
        report.find("connect")["text"]


def test_not_ftp(ns, sshd, checker):
    """Something else listens there."""
    report = checker("-F", sshd.config, "-L", f"0:{ns.far4}:{sshd.port}",
                    sshd.host)
    assert report.status == 1
    finding = report.find("greeting")
    assert finding["status"] == "WRONG"
    assert "is not an FTP server; it sends: SSH-2.0-OpenSSH" in finding["text"]


@pytest.mark.parametrize("words, seen", [
    (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"),
    (b"Welcome\r\nto this\r\n", "Welcome"),
    (b"\r\nWelcome\r\n220 ready\r\n", None)])
def test_words_before_the_greeting(words, seen, ns, sshd, checker):
    """A banner is permitted if a greeting follows."""
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
        assert f"is not an FTP server; it sends: {seen}" in finding["text"]
