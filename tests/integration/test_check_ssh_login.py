"""culvert check: the login to the SSH server."""

import pathlib
import subprocess

import pytest

import cli
import culvert
from checker import (  # noqa: F401
    default_sshd, forward, keygen, last, vsftpd)


def test_wrong_key(tmp, start_sshd, forward, checker):
    """A key that sshd does not know; the suggested line permits it."""
    sshd = start_sshd()
    keygen(tmp / "other")
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/user_key", str(tmp / "other")))
    argv = "-F", config, "-L", forward, sshd.host
    report = checker(*argv)
    fixes = last(report, "authentication",
                 f"accepts none of these keys for root: {tmp}/other; .*"
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
    """It needs a password, and there is no terminal."""
    sshd = start_sshd("PasswordAuthentication yes")
    fixes = last(checker("--batch", "-F", other_key(tmp, sshd), "-L", forward,
                        sshd.host),
                 "authentication",
                 "accept publickey,password, but ssh cannot ask")
    assert fixes[1][1] == "run the same command in a terminal, without --batch"


def test_no_keys(start_sshd, forward, checker):
    """sshd accepts no keys, so the report suggests none."""
    argv = "--batch", "-L", forward
    sshd = start_sshd("PasswordAuthentication yes", "PubkeyAuthentication no")
    fixes = last(checker("-F", sshd.config, *argv, sshd.host),
                 "authentication", "accepts no keys, only password")
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
    """sshd answers as for an unknown key: the report names both causes.

    With the log the cause is found, and the suggested line lets root in.
    """
    sshd = start_sshd(line)
    report = checker("-F", sshd.config, "-L", forward, sshd.host)
    fixes = last(report, "authentication",
                 "Either sshd does not know these keys, or this user is not")
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
    """Other keys come first, and sshd permits no more attempts.

    OpenSSH 10.6 and later permits six queries first.
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
                 "authentication", f"closed the connection after these keys: {tmp}/other0")
    assert [put for _, put in fixes] == ["IdentitiesOnly yes",
                                         "MaxAuthTries 6"]
    checker("-F", sshd.config, "-L", forward, sshd.host).all_well()
    fixed = start_sshd("MaxAuthTries 6")
    checker("-F", with_others(fixed, 1), "-L", forward,
           fixed.host).all_well()


def test_wrong_password(start_sshd, forward, checker):
    """A user who was asked is not told that there is no terminal."""
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
    assert "does not accept that password for root" in terminal.text
    assert "cannot ask for a password" not in terminal.text
    assert "wrong-secret" not in terminal.text


def test_more_than_a_key(start_sshd, forward, checker):
    """The key is accepted, but sshd requires more."""
    sshd = start_sshd("PasswordAuthentication yes",
                      "AuthenticationMethods publickey,password")
    fixes = last(checker("--batch", "-F", sshd.config, "-L", forward,
                        sshd.host), "authentication",
                 f"accepts the key {sshd.dir}/user_key, but requires password")
    assert fixes[0][1] == "AuthenticationMethods publickey"
    fixed = start_sshd(fixes[0][1])
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_locked_key(start_sshd, forward, checker):
    """sshd knows the key, but the passphrase is missing; an agent helps."""
    sshd = start_sshd()
    key = f"{sshd.dir}/user_key"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "passphrase", "-P", "",
                    "-f", key], check=True)
    for batch in [], ["--batch"]:
        fixes = last(checker(*batch, "-F", sshd.config, "-L", forward,
                            sshd.host), "authentication",
                     f"sshd would accept the key {key}, but ssh cannot use it")
        assert fixes[0] == ("run on this host", f"ssh-add {key}")


def test_root_is_refused(start_sshd, forward, checker):
    """The key is good, but root may not log in."""
    sshd = start_sshd("PermitRootLogin no")
    fixes = last(checker("-F", sshd.config, "-L", forward, sshd.host),
                 "authentication", f"accepts the key {sshd.dir}/user_key, but")
    assert fixes[0] == (f"sshd_config of {sshd.ns.far4}",
                        "PermitRootLogin prohibit-password")
    fixed = start_sshd(fixes[0][1])
    checker("-F", fixed.config, "-L", forward, fixed.host).all_well()


def test_jump_host_refuses(tmp, start_sshd, sshd, forward, checker):
    """The jump host refuses the key, not the destination."""
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
                 "ssh does not reach .* through ProxyJump root@gate.test: "
                 rf"root@{gate.ns.far4}: Permission denied")
    assert not any("authorized_keys" in place for place, _ in fixes)
    pathlib.Path(gate.dir, "user_key.pub").write_text(
        (tmp / "other.pub").read_text())
    checker(*argv, sshd.host).all_well()


def test_proxy_command_fails(sshd, forward, checker):
    """ProxyCommand ends at once."""
    last(checker("-F", sshd.config, "-o", "ProxyCommand=false", "-L", forward,
                 sshd.host), "proxy",
         "ssh does not reach .* through ProxyCommand false: ")


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
    """No common algorithm; the suggested option adds it."""
    sshd = start_sshd(line)
    own = ["HostKeyAlgorithms rsa-sha2-512"] if step == "host key" else []
    config = cli.ssh_config(tmp, sshd, *own)
    fixes = last(checker("-F", config, "-L", forward, sshd.host), step,
                 "none of th.* that sshd offers: ")
    assert fixes == [("~/.ssh/config of this host", fix)]
    config = cli.ssh_config(tmp, sshd, fix)
    report = checker("-F", config, "-L", forward, sshd.host)
    assert report.status == 0, report.brief()
    if then:
        assert report.find(then)["status"] == "note"  # they are old


def test_wrong_configuration(tmp, sshd, forward, checker):
    """ssh's message about an unknown option is quoted."""
    config = cli.ssh_config(tmp, sshd, "Colour blue")
    last(checker("-F", config, "-L", forward, sshd.host), "ssh",
         "Bad configuration option: colour")


def test_no_program(sshd, forward, checker):
    """The ssh program does not exist."""
    fixes = last(checker("--ssh", "/nowhere/ssh", "-F", sshd.config, "-L",
                        forward, sshd.host), "ssh", "cannot be started")
    assert fixes[0][1] == "--ssh PROGRAM"
