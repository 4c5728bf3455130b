"""culvert check: the way to sshd, up to the login."""

import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

import pytest

import cli
import culvert
import scripted
from checker import default_sshd, set_key_options  # noqa: F401
from process import Process


@pytest.fixture
def vsftpd(server, checker):
    """Return the shared vsftpd; ~/.netrc has its user."""
    one = server("vsftpd")
    checker.netrc(one)
    return one


@pytest.fixture
def forward(vsftpd):
    """Return a -L to it."""
    return f"0:127.0.0.1:{vsftpd.port}"


def last(report, step, words):
    """Fail unless that is wrong, and the end; returns its fixes."""
    finding = report.checks[-1]
    assert finding["check"] == step, report.brief()
    assert finding["status"] == "WRONG"
    assert re.search(words, finding["text"]), finding
    assert report.status == 1
    return report.fixes(step)


# ---- the name, and TCP ----

def test_unknown_name(sshd, forward, checker):
    """The name is no host's."""
    fixes = last(checker("-F", sshd.config, "-L", forward, "gate.invalid"),
                 "name", "gate.invalid is not known: .*[Nn]ame")
    assert fixes[0] == ("~/.ssh/config of this host", "HostName ADDRESS")


def test_place_of_the_key(sshd, forward, checker):
    """Where nobody has logged in it is the usual one."""
    report = checker("-F", sshd.config, "-L", forward, "gate.invalid")
    assert report.json["authorized_keys_place"] == "~root/.ssh/authorized_keys"


def test_closed_port(ns, sshd, forward, checker):
    """Nobody listens at the SSH port; with the right one all is well."""
    port = ns.free_port(ns.far4)
    ns.let_in(port)
    argv = "-F", sshd.config, "-L", forward, sshd.host
    fixes = last(checker("-p", port, *argv), "TCP",
                 f"nobody listens at {ns.far4}:{port}: [Cc]onnection refused")
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
    (b"220 (vsFTPd 3.0.3)\r\n", "is no SSH server; it says 220 .vsFTPd"),
    (b"", "says nothing, or closes it"),
])
def test_not_ssh(answer, words, sshd, forward, checker):
    """Something else listens there."""
    port = listen_near(answer)
    last(checker("-F", sshd.config, "-o", "HostName=127.0.0.1", "-p", port,
                "-L", forward, sshd.host), "TCP", words)


def test_slow_sshd(sshd, forward, checker):
    """It looks up names before it says a word, for more than 10 s."""
    with scripted.Listener() as listener:
        def serve():
            with listener.accept() as one:
                time.sleep(12)
                one.send(b"SSH-2.0-Slow\r\n")
        scripted.start(serve)
        report = checker("-F", sshd.config, "-o", "HostName=127.0.0.1", "-p",
                        listener.port, "-o", "ConnectTimeout=1", "-L",
                        forward, sshd.host)
    assert report.find("TCP")["text"].endswith("ms: Slow"), report.brief()


def test_too_many(start_sshd, forward, checker):
    """sshd has enough of those who have not logged in."""
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
                     "sshd accepts no more connections now: (Exceeded MaxStartups"
                     "|Not allowed at this time)")  # since 9.8
    (place, line), _ = fixes
    assert place == f"sshd_config of {sshd.ns.far4}"
    sshd.stop()
    config.write_text(text.replace("MaxStartups 1000", line))
    sshd.start()
    with socket.create_connection((sshd.ns.far4, sshd.port)) as one:
        one.recv(1)
        checker(*argv).all_well()


def test_jump(sshd, forward, checker):
    """By a jump host neither is looked at; ssh does it."""
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

def keygen(path):
    """Make a key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
                   check=True)


def own_known_hosts(tmp, sshd, text):
    """Return an ssh_config with a known_hosts file of its own."""
    path = tmp / "known_hosts"
    path.write_text(text)
    return cli.ssh_config(tmp, sshd, f"UserKnownHostsFile {path}")


def test_changed_host_key(tmp, sshd, forward, checker):
    """Another host's key is known: the two commands that are advised."""
    keygen(tmp / "other")
    other = (tmp / "other.pub").read_text()
    config = own_known_hosts(tmp, sshd, f"files.test {other}")
    argv = "-F", config, "-L", forward, sshd.host
    (place, command), = last(
        checker(*argv), "host key",
        f"not the one of {tmp}/known_hosts:1, but ssh-ed25519 SHA256:")
    assert place == "run on this host"
    assert command == f"ssh-keygen -f {tmp}/known_hosts -R files.test"
    checker.shell(command)
    (_, command), = last(checker(*argv), "host key", "is not known")
    checker.shell(command)
    checker(*argv).all_well()


def test_host_key_without_a_file(tmp, sshd, forward, checker):
    """One that ssh takes on trust."""
    config = cli.ssh_config(tmp, sshd, "StrictHostKeyChecking no",
                            "UserKnownHostsFile /dev/null",
                            "GlobalKnownHostsFile /dev/null",
                            "LogLevel QUIET")
    report = checker("-F", config, "-L", forward, sshd.host)
    report.all_well()
    assert report.find("host key")["text"].endswith(", which ssh takes")


def test_changed_host_key_is_ignored(tmp, sshd, forward, checker):
    """StrictHostKeyChecking no: ssh goes on, but the key is not "as in"."""
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
    assert f"is not the one of {path}:1, and ssh takes it" in finding["text"]
    assert report.fixes("host key")[0][1] == "StrictHostKeyChecking yes"
    command = report.fixes("host key")[1][1]
    assert shlex.split(command) == ["ssh-keygen", "-f", str(path), "-R",
                                    "files.test"]
    checker.shell(command)
    checker(*argv).all_well()


def test_revoked_host_key(tmp, sshd, forward, checker):
    """It is known, and that it must not be taken; so nothing takes it."""
    key = pathlib.Path(sshd.dir, "host_key.pub").read_text()
    config = own_known_hosts(tmp, sshd, f"@revoked * {key}")
    fixes = last(checker("-F", config, "-L", forward, sshd.host), "host key",
                 "ssh-ed25519 SHA256:.* is revoked")
    assert not any("accept-new" in put for _, put in fixes)


def test_unknown_host_key(tmp, sshd, forward, checker):
    """No key is known; the command that is advised learns it."""
    config = own_known_hosts(tmp, sshd, "")
    argv = "-F", config, "-L", forward, sshd.host
    report = checker("--batch", *argv)
    (place, command), = last(report, "host key", "ssh-ed25519 SHA256:.* is "
                             "not known, and nobody has confirmed it")
    assert place == "run on this host"
    assert command == shlex.join(
        ["ssh", "-F", config, "files.test",
         "-oStrictHostKeyChecking=accept-new", "true"])
    checker.shell(command)
    checker("--batch", *argv).all_well()


def test_asked_for_the_host_key(tmp, sshd, forward, checker):
    """On a terminal ssh asks, and the answer counts."""
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
    """What sshd says before the login is not taken for ssh's own words."""
    (tmp / "banner").write_text(
        "debug1: Authenticating to 192.0.2.1:22 as 'x'\n"
        "REMOTE HOST IDENTIFICATION HAS CHANGED\n"
        "Offending ED25519 key in /other:1\nIt is \x1b[2J me\n")
    sshd = start_sshd(f"Banner {tmp}/banner", "DenyUsers root")
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    last(report, "authentication", "by none of these keys")
    assert report.find("host key")["status"] == "ok"
    assert report.find("host key")["text"].endswith(
        f"as in {sshd.dir}/known_hosts:1")


@pytest.mark.parametrize("option, family", [("-4", "IPv4"), ("-6", "IPv6")])
def test_family(option, family, ns, sshd, forward, checker):
    """-4 and -6 count for the look at the name, too."""
    host = sshd.host if family == "IPv6" else sshd.host6
    report = checker(option, "-F", sshd.config, "-L", forward, host)
    last(report, "name", "not in the family|not supported|[Nn]ame")


# ---- the login ----

def test_wrong_key(tmp, start_sshd, forward, checker):
    """A key that sshd does not know; the line that is advised lets it in."""
    sshd = start_sshd()
    keygen(tmp / "other")
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/user_key", str(tmp / "other")))
    argv = "-F", config, "-L", forward, sshd.host
    report = checker(*argv)
    fixes = last(report, "authentication",
                 f"lets root in by none of these keys: {tmp}/other; .*"
                 r"Permission denied \(publickey\)")
    assert report.find("host key")["status"] == "ok"
    place, line = fixes[0]
    assert place == f"~root/.ssh/authorized_keys of {sshd.ns.far4}"
    assert line.endswith(" KEY")
    with open(f"{sshd.dir}/user_key.pub", "a") as file:
        file.write(line.replace("KEY", (tmp / "other.pub").read_text()))
    checker(*argv).all_well()


def other_key(tmp, sshd):
    """Return an ssh_config with a key that sshd does not know."""
    keygen(tmp / "other")
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/user_key", str(tmp / "other")))
    return config


def test_password_only(tmp, start_sshd, forward, checker):
    """It would take a password, and nobody can be asked for it."""
    sshd = start_sshd("PasswordAuthentication yes")
    fixes = last(checker("--batch", "-F", other_key(tmp, sshd), "-L", forward,
                        sshd.host),
                 "authentication", "take publickey,password, but nobody")
    assert fixes[1][1] == "the same in a terminal, without --batch"


def test_no_keys(start_sshd, forward, checker):
    """It takes no key at all: so none in authorized_keys fixes it."""
    argv = "--batch", "-L", forward
    sshd = start_sshd("PasswordAuthentication yes", "PubkeyAuthentication no")
    fixes = last(checker("-F", sshd.config, *argv, sshd.host),
                 "authentication", "takes no keys, only password")
    assert fixes[0] == (f"sshd_config of {sshd.ns.far4}",
                        "PubkeyAuthentication yes")
    assert not any(".ssh/authorized_keys" in place for place, _ in fixes)
    fixed = start_sshd("PasswordAuthentication yes", fixes[0][1])
    checker("-F", fixed.config, *argv, fixed.host).all_well()


@pytest.mark.parametrize("line", [
    "DenyUsers root", "AllowUsers alice", "DenyGroups root",
    "AllowGroups staff",
])
def test_user_who_may_not_log_in(line, start_sshd, forward, checker):
    """sshd answers as for a missing key: both are named, and what tells them.

    The log does as is said, and the line that is advised lets root in.
    """
    sshd = start_sshd(line)
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    fixes = last(report, "authentication",
                 "Either it does not know them, or it does not let this user")
    places = [place.partition(" of ")[0] for place, _ in fixes]
    assert places[0] == "~root/.ssh/authorized_keys"
    assert (sshd.ns.far4, "journalctl -u ssh | grep 'not allowed because'") \
        in fixes
    sshd.process.wait_line("User root from .* not allowed because")
    allow = f"sshd_config of {sshd.ns.far4}", "AllowUsers root"
    assert allow in fixes
    assert report.find("authentication")["fixes"][fixes.index(allow)][
        "remark"].endswith("DenyUsers and DenyGroups")
    fixed = start_sshd(allow[1])
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_max_auth_tries(tmp, start_sshd, forward, checker):
    """Other keys come first, and sshd has enough of them.

    From OpenSSH 10.6 on six may be asked about beforehand.
    """
    def with_others(sshd, count):
        """Return a configuration of ssh with other keys before sshd's."""
        config = tmp / "config"
        others = "".join(f"    IdentityFile {tmp}/other{n}\n"
                         for n in range(count))
        config.write_text(pathlib.Path(sshd.config).read_text().replace(
            "    IdentityFile", others + "    IdentityFile"))
        return config

    sshd = start_sshd("MaxAuthTries 1")
    for n in range(7):
        keygen(tmp / f"other{n}")
    fixes = last(checker("-F", with_others(sshd, 7), "-L", forward, sshd.host),
                 "authentication", f"gave up after these keys: {tmp}/other0")
    assert [put for _, put in fixes] == ["IdentitiesOnly yes",
                                         "MaxAuthTries 6"]
    checker("-F", sshd.config, "-L", forward, sshd.host).all_well()
    fixed = start_sshd("MaxAuthTries 6")
    checker("-F", with_others(fixed, 1), "-L", forward,
           fixed.host).all_well()


def test_wrong_password(start_sshd, forward, checker):
    """Who was asked is not told that nobody could be."""
    sshd = start_sshd("PasswordAuthentication yes", "PubkeyAuthentication no")
    terminal = cli.Terminal(
        [culvert.PROGRAM, "check", "-F", sshd.config, "-L", forward,
         sshd.host], checker.environment())
    try:
        for _ in range(3):
            terminal.wait_for("password: ")
            terminal.type("wrong-secret\n")
        assert terminal.wait() == 1
    finally:
        terminal.close()
    assert "does not let root in with that password" in terminal.text
    assert "nobody can be asked" not in terminal.text
    assert "wrong-secret" not in terminal.text


def test_more_than_a_key(start_sshd, forward, checker):
    """The key is good, but it is not enough."""
    sshd = start_sshd("PasswordAuthentication yes",
                      "AuthenticationMethods publickey,password")
    fixes = last(checker("--batch", "-F", sshd.config, "-L", forward,
                        sshd.host), "authentication",
                 f"takes the key {sshd.dir}/user_key, and wants password")
    assert fixes[0][1] == "AuthenticationMethods publickey"
    fixed = start_sshd(fixes[0][1])
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_locked_key(start_sshd, forward, checker):
    """sshd knows the key, but its passphrase is nowhere; an agent helps."""
    sshd = start_sshd()
    key = f"{sshd.dir}/user_key"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "passphrase", "-P", "",
                    "-f", key], check=True)
    for batch in [], ["--batch"]:
        fixes = last(checker(*batch, "-F", sshd.config, "-L", forward,
                            sshd.host), "authentication",
                     f"sshd would take the key {key}, but ssh cannot use it")
        assert fixes[0] == ("run on this host", f"ssh-add {key}")


def test_root_is_refused(start_sshd, forward, checker):
    """Its key is good, its passphrase is not the matter, but it is root."""
    sshd = start_sshd("PermitRootLogin no")
    fixes = last(checker("-F", sshd.config, "-L", forward, sshd.host),
                 "authentication", f"knows the key {sshd.dir}/user_key, but")
    assert fixes[0] == (f"sshd_config of {sshd.ns.far4}",
                        "PermitRootLogin prohibit-password")
    fixed = start_sshd(fixes[0][1])
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_jump_host_refuses(tmp, start_sshd, sshd, forward, checker):
    """It is not the destination's authorized_keys that lacks the key."""
    gate = start_sshd()
    keygen(tmp / "other")
    config = tmp / "config"
    config.write_text(
        f"Host gate.test\n HostName {gate.ns.far4}\n Port {gate.port}\n"
        f" IdentityFile {tmp}/other\n HostKeyAlias files.test\n"
        f" UserKnownHostsFile {gate.dir}/known_hosts\n IdentitiesOnly yes\n"
        f"Host files.test\n IdentityFile {sshd.dir}/user_key\n"
        + pathlib.Path(sshd.config).read_text().replace(
            "Host *\n", "Host files.test files6.test\n"))
    argv = "--batch", "-F", config, "-J", "root@gate.test", "-L", forward
    fixes = last(checker(*argv, sshd.host), "proxy",
                 "ProxyJump root@gate.test does not get ssh to .*"
                 rf"root@{gate.ns.far4}: Permission denied")
    assert not any("authorized_keys" in place for place, _ in fixes)
    pathlib.Path(gate.dir, "user_key.pub").write_text(
        (tmp / "other.pub").read_text())
    checker(*argv, sshd.host).all_well()


def test_proxy_command_fails(sshd, forward, checker):
    """It ends at once."""
    last(checker("-F", sshd.config, "-o", "ProxyCommand=false", "-L", forward,
                sshd.host), "proxy", "ProxyCommand false does not get ssh to")


def test_open_key(tmp, sshd, forward, checker):
    """ssh does not use a key that others can read."""
    key = tmp / "open_key"
    key.write_bytes(pathlib.Path(f"{sshd.dir}/user_key").read_bytes())
    key.chmod(0o644)
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/user_key", str(key)))
    argv = "-F", config, "-L", forward, sshd.host
    fixes = last(checker(*argv), "authentication", f"does not use {key}")
    assert fixes == [("run on this host", f"chmod 600 {key}")]
    checker.shell(fixes[0][1])
    checker(*argv).all_well()


@pytest.mark.parametrize("line, step, fix, then", [
    ("KexAlgorithms diffie-hellman-group14-sha1", "key exchange",
     "KexAlgorithms +diffie-hellman-group14-sha1", "key exchange"),
    ("Ciphers aes256-cbc", "cipher", "Ciphers +aes256-cbc", "cipher"),
    ("MACs hmac-md5\nCiphers aes256-ctr", "cipher", "MACs +hmac-md5", None),
    ("HostKeyAlgorithms ssh-ed25519", "host key",
     "HostKeyAlgorithms +ssh-ed25519", None),
])
def test_nothing_in_common(line, step, fix, then, tmp, start_sshd, forward,
                           checker):
    """Both have nothing in common; what is advised adds it."""
    sshd = start_sshd(line)
    own = ["HostKeyAlgorithms rsa-sha2-512"] if step == "host key" else []
    config = cli.ssh_config(tmp, sshd, *own)
    fixes = last(checker("-F", config, "-L", forward, sshd.host), step,
                 "none of th.* that sshd has: ")
    assert fixes == [("~/.ssh/config of this host", fix)]
    config = cli.ssh_config(tmp, sshd, fix)
    report = checker("-F", config, "-L", forward, sshd.host)
    assert report.status == 0, report.brief()
    if then:
        assert report.find(then)["status"] == "note"  # they are old


def test_wrong_configuration(tmp, sshd, forward, checker):
    """ssh's own words, of an option that it does not know."""
    config = cli.ssh_config(tmp, sshd, "Colour blue")
    last(checker("-F", config, "-L", forward, sshd.host), "ssh",
         "Bad configuration option: colour")


def test_no_program(sshd, forward, checker):
    """There is no ssh."""
    fixes = last(checker("--ssh", "/nowhere/ssh", "-F", sshd.config, "-L",
                        forward, sshd.host), "ssh", "cannot be run")
    assert fixes[0][1] == "--ssh PROGRAM"


# ---- the end by a signal ----

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, sshd, forward, checker):
    """While sshd says nothing: it ends at once, and leaves nothing."""
    with scripted.Listener() as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-o",
             "HostName=127.0.0.1", "-p", str(listener.port), "-L", forward,
             sshd.host], env=checker.environment())
        with listener.accept():
            assert process.stop(number) == 3, process.output
    assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


def test_interrupted_in_a_transfer(ns, sshd, checker):
    """While the FTP server does not answer."""
    with scripted.server(ns) as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-L",
             f"0:127.0.0.1:{listener.port}", sshd.host],
            env=checker.environment())
        with listener.accept() as control:
            control.reply("220 hello")
            control.expect_command("FEAT")
            assert process.stop() == 3, process.output
    assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


def test_lost(ns, sshd, checker):
    """The SSH connection is lost in the middle: said, and the end."""
    with scripted.server(ns) as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-L",
             f"0:127.0.0.1:{listener.port}", sshd.host],
            env=checker.environment())
        with listener.accept() as control:
            control.reply("220 hello")
            control.expect_command("FEAT")
            monitor, = culvert.children(process.pid)
            ssh, = [pid for pid in culvert.children(monitor)
                    if culvert.process_name(pid) == "ssh"]
            culvert.os.kill(ssh, signal.SIGTERM)
            assert process.wait() == 1
    assert re.search("^WRONG +ssh +", process.output, re.M), process.output
    assert not culvert.SANITIZER.search(process.output), process.output


# ---- the key line does what it must, and nothing more ----

def run_ssh(sshd, *argv):
    """Run ssh with that sshd's user; returns (status, its words)."""
    done = subprocess.run(
        ["ssh", "-F", sshd.config, *argv], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["same", "passive", "active"])
def test_key_line(mode, ns, start_sshd, vsftpd, forward, checker,
                  start_culvert):
    """With exactly that line culvert works; all else is forbidden."""
    sshd = start_sshd()
    argv = ["--server-mode", mode, "-F", sshd.config, "-L", forward,
            sshd.host]
    line = checker(*argv).json["authorized_keys"]
    set_key_options(sshd, line)
    checker(*argv).all_well()
    (vsftpd.root / "file").write_bytes(b"hello")
    tunnel = start_culvert(forward, sshd=sshd,
                           options=["--server-mode", mode])
    for how in ["--ftp-pasv"], ["-P", "-"]:
        got = subprocess.run(
            ["curl", "-sS", *how, "-u", "tester:secret",
             f"ftp://127.0.0.1:{tunnel.port}/file"], check=True,
            capture_output=True, timeout=20).stdout
        assert got == b"hello"
    # No shell, no other host, no other address to listen at.
    assert run_ssh(sshd, sshd.host, "echo shell")[1] == ""
    status, said = run_ssh(sshd, "-W", f"{ns.far4}:{sshd.port}", sshd.host)
    assert status != 0 and "stdio forwarding failed" in said, said
    for at in "*:0", "localhost:0", "127.0.0.1:0":
        allowed = at == "127.0.0.1:0" and mode != "passive"
        status, said = run_ssh(
            sshd, "-oExitOnForwardFailure=yes", "-R", f"{at}:127.0.0.1:9",
            sshd.host, "true")
        assert ("remote port forwarding failed" in said) != allowed, (at, said)
    if mode == "active":
        with scripted.Listener(ns) as other:
            status, said = run_ssh(sshd, "-W", f"127.0.0.1:{other.port}",
                                   sshd.host)
            assert "stdio forwarding failed" in said, said


def test_address_in_use(ns, sshd, checker):
    """The address is taken on this host: a note, since it may be culvert."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        report = checker("-F", sshd.config, "-L",
                        f"{port}:127.0.0.1:{ns.free_port()}", sshd.host)
    finding = report.find("listen")
    assert finding["status"] == "note"
    assert "in use" in finding["text"]
