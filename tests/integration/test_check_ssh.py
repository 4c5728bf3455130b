"""culvert check: the name, TCP and the host key of the SSH server."""

import pathlib
import shlex
import socket
import time

import pytest

import cli
import culvert
import scripted
from checker import default_sshd, forward, keygen, last, vsftpd  # noqa: F401


# ---- the name, and TCP ----

def test_unknown_name(sshd, forward, checker):
    """The name of the SSH server is unknown."""
    fixes = last(checker("-F", sshd.config, "-L", forward, "gate.invalid"),
                 "name", "gate.invalid is not found: .*[Nn]ame")
    assert fixes[0] == ("~/.ssh/config of this host", "HostName ADDRESS")


def test_place_of_the_key(sshd, forward, checker):
    """Without a login, the usual authorized_keys is named."""
    report = checker("-F", sshd.config, "-L", forward, "gate.invalid")
    assert report.json["authorized_keys_place"] == "~root/.ssh/authorized_keys"


def test_closed_port(ns, sshd, forward, checker):
    """Nothing listens on the SSH port; with the right one all is well."""
    port = ns.free_port(ns.far4)
    ns.let_in(port)
    argv = "-F", sshd.config, "-L", forward, sshd.host
    fixes = last(checker("-p", port, *argv), "TCP",
                 f"nothing listens on {ns.far4}:{port}: [Cc]onnection refused")
    assert fixes == [
        ("~/.ssh/config of this host", "Port PORT"),
        (f"sshd_config of {ns.far4}", f"Port {port}")]
    checker("-p", sshd.port, *argv).all_well()


def listen_near(answer):
    """Return the port of a listener that says that, once, and ends."""
    listener = scripted.Listener()

    def serve():
        with listener.accept() as one:
            one.send(answer)

    scripted.start(serve)
    return listener.port


@pytest.mark.parametrize("answer, words", [
    (b"220 (vsFTPd 3.0.3)\r\n", "is not an SSH server; it sends: 220 .vsFTPd"),
    (b"", "sends no SSH greeting or closes"),
])
def test_not_ssh(answer, words, sshd, forward, checker):
    """Something else listens there."""
    port = listen_near(answer)
    last(checker("-F", sshd.config, "-o", "HostName=127.0.0.1", "-p", port,
                "-L", forward, sshd.host), "TCP", words)


def test_slow_sshd(sshd, forward, checker):
    """It sends its version after the time-out of a connection."""
    with scripted.Listener() as listener:
        def serve():
            with listener.accept() as one:
                time.sleep(1.5)
                one.send(b"SSH-2.0-Slow\r\n")
        scripted.start(serve)
        report = checker("--timeout", "1", "-F", sshd.config, "-o",
                         "HostName=127.0.0.1", "-p", listener.port, "-o", "ConnectTimeout=1", "-L",
                        forward, sshd.host)
    assert report.find("TCP")["text"].endswith("ms: Slow"), report.brief()


def test_too_many(start_sshd, forward, checker):
    """sshd refuses more clients that have not logged in (MaxStartups)."""
    sshd = start_sshd()
    argv = "-F", sshd.config, "-L", forward, sshd.host
    config = pathlib.Path(sshd.dir, "sshd_config")
    text = config.read_text()
    sshd.stop()
    config.write_text(text.replace("MaxStartups 1000", "MaxStartups 1"))
    sshd.start()
    with socket.create_connection((sshd.ns.far4, sshd.port)) as one:
        one.recv(1)
        fixes = last(checker(*argv), "TCP",
                     "sshd refuses new connections at the moment: "
                     "(Exceeded MaxStartups|Not allowed at this time)")  # since 9.8
    (place, line), _ = fixes
    assert place == f"sshd_config of {sshd.ns.far4}"
    sshd.stop()
    config.write_text(text.replace("MaxStartups 1000", line))
    sshd.start()
    with socket.create_connection((sshd.ns.far4, sshd.port)) as one:
        one.recv(1)
        checker(*argv).all_well()


def test_jump(sshd, forward, checker):
    """With a jump host, name and TCP are not tested; ssh does that."""
    report = checker("-F", sshd.config, "-J", sshd.host6, "-L", forward,
                    sshd.host)
    report.all_well()
    for step in "name", "TCP":
        finding = report.find(step)
        assert finding["status"] == "skipped"
        assert f"ProxyJump {sshd.host6}" in finding["text"]


def test_ipv6(sshd, forward, checker):
    """An sshd on IPv6."""
    report = checker("-F", sshd.config, "-L", forward, sshd.host6)
    report.all_well()
    assert f"[{sshd.ns.far6}]:{sshd.port} in " in report.find("TCP")["text"]


# ---- the host key ----

def own_known_hosts(tmp, sshd, text):
    """Return an ssh_config with a known_hosts file of its own."""
    path = tmp / "known_hosts"
    path.write_text(text)
    return cli.ssh_config(tmp, sshd, f"UserKnownHostsFile {path}")


def test_changed_host_key(tmp, sshd, forward, checker):
    """Another host key is known: the two suggested commands fix that."""
    keygen(tmp / "other")
    other = (tmp / "other.pub").read_text()
    config = own_known_hosts(tmp, sshd, f"files.test {other}")
    argv = "-F", config, "-L", forward, sshd.host
    (place, command), = last(
        checker(*argv), "host key",
        f"ssh-ed25519 SHA256:.* is not the one in {tmp}/known_hosts:1: ")
    assert place == "run on this host"
    assert command == f"ssh-keygen -f {tmp}/known_hosts -R files.test"
    checker.shell(command)
    (_, command), = last(checker(*argv), "host key", "is not in known_hosts")
    checker.shell(command)
    checker(*argv).all_well()


def test_host_key_without_a_file(tmp, sshd, forward, checker):
    """A host key that ssh accepts without a known_hosts file."""
    config = cli.ssh_config(tmp, sshd, "StrictHostKeyChecking no",
                            "UserKnownHostsFile /dev/null",
                            "GlobalKnownHostsFile /dev/null",
                            "LogLevel QUIET")
    report = checker("-F", config, "-L", forward, sshd.host)
    report.all_well()
    assert report.find("host key")["text"].endswith(", which ssh accepts")


def test_changed_host_key_is_ignored(tmp, sshd, forward, checker):
    """StrictHostKeyChecking no: ssh continues, and the report says so."""
    keygen(tmp / "other")
    other = (tmp / "other.pub").read_text()
    path = tmp / "it's known"
    path.write_text(f"files.test {other}")
    config = cli.ssh_config(tmp, sshd, f'UserKnownHostsFile "{path}"',
                            "StrictHostKeyChecking no")
    argv = "-F", config, "-L", forward, sshd.host
    report = checker(*argv)
    assert report.status == 0, report.brief()
    finding = report.find("host key")
    assert finding["status"] == "note"
    assert f"differs from the one in {path}:1, but ssh accepts it" in finding["text"]
    assert report.fixes("host key")[0][1] == "StrictHostKeyChecking yes"
    command = report.fixes("host key")[1][1]
    assert shlex.split(command) == ["ssh-keygen", "-f", str(path), "-R",
                                    "files.test"]
    checker.shell(command)
    checker(*argv).all_well()


def test_revoked_host_key(tmp, sshd, forward, checker):
    """The host key is revoked: there is no command to accept it."""
    key = pathlib.Path(sshd.dir, "host_key.pub").read_text()
    config = own_known_hosts(tmp, sshd, f"@revoked * {key}")
    fixes = last(checker("-F", config, "-L", forward, sshd.host), "host key",
                 "ssh-ed25519 SHA256:.* is revoked")
    assert not any("accept-new" in put for _, put in fixes)


def test_unknown_host_key(tmp, sshd, forward, checker):
    """No host key is known; the suggested command adds it."""
    config = own_known_hosts(tmp, sshd, "")
    argv = "-F", config, "-L", forward, sshd.host
    report = checker("--batch", *argv)
    (place, command), = last(report, "host key", "ssh-ed25519 SHA256:.* is "
                             "not in known_hosts, and nobody has confirmed")
    assert place == "run on this host"
    assert command == shlex.join(
        ["ssh", "-F", config, "files.test",
         "-oStrictHostKeyChecking=accept-new", "true"])
    checker.shell(command)
    checker("--batch", *argv).all_well()


def test_asked_for_the_host_key(tmp, sshd, forward, checker):
    """On a terminal ssh asks, and the answer is used."""
    config = cli.ssh_config(tmp, sshd, "StrictHostKeyChecking ask",
                            f"UserKnownHostsFile {tmp}/known_hosts")
    terminal = cli.Terminal(
        [culvert.PROGRAM, "check", "-F", config, "-L", forward, sshd.host],
        checker.environment())
    try:
        terminal.wait_for("(yes/no/[fingerprint])? ")
        terminal.type("yes\n")
        terminal.wait_for("Transfers will work.")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert not culvert.SANITIZER.search(terminal.text), terminal.text


def test_banner(tmp, start_sshd, forward, checker):
    """sshd's banner is not taken for a message of ssh."""
    (tmp / "banner").write_text(
        "debug1: Authenticating to 192.0.2.1:22 as 'x'\n"
        "REMOTE HOST IDENTIFICATION HAS CHANGED\n"
        "Offending ED25519 key in /other:1\nIt is \x1b[2J me\n")
    sshd = start_sshd(f"Banner {tmp}/banner", "DenyUsers root")
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    last(report, "authentication", "accepts none of these keys")
    assert report.find("host key")["status"] == "ok"
    assert report.find("host key")["text"].endswith(
        f"as in {sshd.dir}/known_hosts:1")


@pytest.mark.parametrize("option, family", [("-4", "IPv4"), ("-6", "IPv6")])
def test_family(option, family, ns, sshd, forward, checker):
    """-4 and -6 apply to the look-up of the name, too."""
    host = sshd.host if family == "IPv6" else sshd.host6
    report = checker(option, "-F", sshd.config, "-L", forward, host)
    last(report, "name", "no address of the requested family|not supported|[Nn]ame")
