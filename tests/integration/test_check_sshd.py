"""culvert check: what sshd forbids, and its fix applied.

Each setup is broken in one way.  The checker must say what is wrong, whose
setting it is and the line to put there; with that line all is well.
"""

import filecmp

import pytest

from clients import CLIENTS, Target, make_file
from checker import default_sshd, set_key_options, vsftpd  # noqa: F401
from sshd import openssh_version

# The step, its result, the line of sshd_config, and a part of the text.
SSHD = {
    "no": (["AllowTcpForwarding no"], "connect", "WRONG",
           "AllowTcpForwarding yes", "does not permit forwarding"),
    "remote": (["AllowTcpForwarding remote"], "connect", "WRONG",
               "AllowTcpForwarding yes", "is not permitted to connect to"),
    "local": (["AllowTcpForwarding local"], "remote forward", "note",
              "AllowTcpForwarding yes", "permits no remote forwarding"),
    "disabled": (["DisableForwarding yes"], "connect", "WRONG",
                 "DisableForwarding no", "does not permit forwarding"),
    "open": (["PermitOpen 127.0.0.1:99"], "connect", "WRONG",
             "PermitOpen 127.0.0.1:*", "is not permitted to connect to"),
    "open-none": (["PermitOpen none"], "connect", "WRONG",
                  "PermitOpen 127.0.0.1:*", "is not permitted to connect to"),
    "control-only": (["PermitOpen 127.0.0.1:{port}"], "PASV", "note",
                     "PermitOpen 127.0.0.1:*", "data port"),
    "listen": (["PermitListen none"], "remote forward", "note",
               "PermitListen 127.0.0.1:*",
               "is not permitted to listen on 127.0.0.1"),
    "listen-other": (["PermitListen localhost:1"], "remote forward", "note",
                     "PermitListen 127.0.0.1:*", "is not permitted to listen"),
    "kex": (["KexAlgorithms curve25519-sha256"], "key exchange", "note",
            "KexAlgorithms ^sntrup761x25519-sha512@openssh.com",
            "not post-quantum"),
}
# That of Debian 13 sends small packets at once without a session.
if openssh_version() < (10, 0):
    SSHD["sessions"] = (["MaxSessions 0"], "Nagle", "note", "MaxSessions 10",
                        "40 ms")

# Options of the key, the step, its result, and a part of the text.
KEYS = {
    "restrict": ("restrict", "connect", "WRONG", "this key may not be used for forwarding"),
    "no-forwarding": ("no-port-forwarding", "connect", "WRONG",
                      "this key may not be used for forwarding"),
    "permitopen": ('permitopen="127.0.0.1:99"', "connect", "WRONG",
                   "the permitopen option of this key"),
    "permitopen-control": (
        'permitopen="127.0.0.1:{port}"', "EPSV", "note",
        "the permitopen option of this key does not permit the server's"),
    "permitlisten": ('permitlisten="127.0.0.1:99"', "remote forward", "note",
                     "the permitlisten option of this key"),
}


def check_finding(report, step, status, words):
    """Fail unless that is what is said of that step."""
    finding = report.find(step)
    assert finding["status"] == status, report.brief()
    assert words in finding["text"], finding
    assert report.status == (1 if status == "WRONG" else 0), report.brief()
    assert report.json["transfers"] == ("fail" if status == "WRONG"
                                        else "work")


@pytest.mark.parametrize("lines, step, status, line, words", SSHD.values(),
                         ids=SSHD.keys())
def test_sshd(lines, step, status, line, words, start_sshd, vsftpd, checker):
    """A line of sshd_config forbids it; another one fixes it."""
    forward = f"0:127.0.0.1:{vsftpd.port}"
    lines = [one.format(port=vsftpd.port) for one in lines]
    sshd = start_sshd(*lines)
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    check_finding(report, step, status, words)
    assert (f"sshd_config of {sshd.ns.far4}", line) in report.fixes(step)
    fixed = start_sshd(line)  # the first value of an option counts
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


@pytest.mark.parametrize("options, step, status, words", KEYS.values(),
                         ids=KEYS.keys())
def test_key(options, step, status, words, start_sshd, vsftpd, checker):
    """The key's options forbid it; the suggested line fixes it."""
    forward = f"0:127.0.0.1:{vsftpd.port}"
    sshd = start_sshd()
    set_key_options(sshd, options.format(port=vsftpd.port))
    argv = "-F", sshd.config, "-L", forward, sshd.host
    report = checker(*argv)
    check_finding(report, step, status, words)
    place, line = report.fixes(step)[0]
    assert place == f"{sshd.dir}/user_key.pub:1 of {sshd.ns.far4}, in " \
        "front of the key"
    set_key_options(sshd, line)
    checker(*argv).all_well()


def test_control_port_only(start_sshd, vsftpd, checker):
    """sshd may connect to the FTP port only: active mode remains."""
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{vsftpd.port}")
    argv = "-F", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}", sshd.host
    report = checker(*argv)
    assert ("culvert's command line", "--server-mode active") in \
        report.fixes("PASV")
    assert " --server-mode active " in report.json["command"]
    assert f'permitopen="127.0.0.1:{vsftpd.port}"' in \
        report.json["authorized_keys"]
    report = checker("--server-mode", "active", *argv)
    report.all_well()
    assert report.find("PASV")["status"] == "skipped"


@pytest.mark.parametrize("mode", ["passive", "active"])
def test_control_port_only_as_advised(mode, start_sshd, start_culvert, vsftpd,
                                      checker, tmp):
    """With the suggested option transfers work, and no passive port is tried.
    """
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{vsftpd.port}")
    forward = f"0:127.0.0.1:{vsftpd.port}"
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    for verb in "PASV", "EPSV":
        assert report.find(verb)["status"] == "note"
        (_, permit), (_, option) = report.fixes(verb)
        assert (permit, option) == ("PermitOpen 127.0.0.1:*",
                                    "--server-mode active")
    tunnel = start_culvert(forward, sshd=sshd,
                           options=["-v", "-v", *option.split()])
    target = Target.behind(tunnel, vsftpd)
    place = vsftpd.mkdir(tmp.name)
    make_file(tmp / "file", 100000)
    curl = CLIENTS["curl"]
    for result in (
            curl.put(target, mode, tmp / "file", f"{tmp.name}/file"),
            curl.get(target, mode, f"{tmp.name}/file", tmp / "got")):
        assert result.status == 0, result.output
    assert filecmp.cmp(place / "file", tmp / "got", False)
    assert filecmp.cmp(place / "file", tmp / "file", False)
    assert "passive mode does not work" not in tunnel.output
    # The suggested line works as well.
    fixed = start_sshd(permit)
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_passive_alone(start_sshd, vsftpd, checker):
    """--server-mode passive: sshd need not listen."""
    sshd = start_sshd("AllowTcpForwarding local")
    report = checker("-F", sshd.config, "--server-mode", "passive",
                    "-L", f"0:127.0.0.1:{vsftpd.port}", sshd.host)
    report.all_well()
    assert report.find("remote forward")["status"] == "skipped"
    assert report.find("PORT")["status"] == "skipped"
    assert report.json["authorized_keys"].endswith('permitlisten="localhost:1"')


def test_active_alone(start_sshd, vsftpd, checker):
    """--server-mode active, and sshd does not listen: transfers fail."""
    sshd = start_sshd("AllowTcpForwarding local")
    argv = "-F", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}", sshd.host
    report = checker("--server-mode", "active", *argv)
    check_finding(report, "remote forward", "WRONG",
                  "permits no remote forwarding")
    assert report.find("PORT")["status"] == "WRONG"
    assert "--server-mode" not in checker(*argv).json["command"] or \
        "--server-mode passive" in checker(*argv).json["command"]


def test_gateway_ports(ns, start_sshd, start_server, checker):
    """--far-address without GatewayPorts: sshd listens on loopback."""
    server = start_server("vsftpd", ns.far4)
    checker.netrc(server)
    argv = ["-L", f"0:{ns.far4}:{server.port}", "--far-address", ns.far4]
    sshd = start_sshd()
    report = checker("-F", sshd.config, *argv, sshd.host)
    check_finding(report, "remote forward", "note",
                  "on loopback instead of")
    line = "GatewayPorts clientspecified"
    assert (f"sshd_config of {ns.far4}", line) in \
        report.fixes("remote forward")
    fixed = start_sshd(line)
    report = checker("-F", fixed.config, *argv, fixed.host)
    report.all_well()
    assert f'permitlisten="{ns.far4}:*"' in report.json["authorized_keys"]


def test_server_apart(ns, sshd, start_server, checker):
    """A server beyond sshd's loopback: passive mode works."""
    server = start_server("vsftpd", ns.far4)
    checker.netrc(server)
    report = checker("-F", sshd.config, "-L", f"0:{ns.far4}:{server.port}",
                    sshd.host)
    check_finding(report, "PORT", "note", "is not on sshd's host")
    assert ("culvert's command line", "--far-address ADDRESS") in \
        report.fixes("PORT")
    assert " --server-mode passive " in report.json["command"]


@pytest.mark.parametrize("line", [
    "ForceCommand internal-sftp", "ForceCommand /bin/false", "PermitTTY no",
    "AllowStreamLocalForwarding no", "AllowAgentForwarding no",
    "PermitListen 127.0.0.1:*", "PermitOpen 127.0.0.1:*", "MaxSessions 1",
])
def test_harmless(line, start_sshd, vsftpd, checker):
    """Restrictions that do not affect transfers."""
    sshd = start_sshd(line)
    checker("-F", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}",
           sshd.host).all_well()

