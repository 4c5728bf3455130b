"""An account that sshd lets in and that may forward nothing.

The reason is told to a session only: it is quoted to clients, in the log, and
by culvert check.
"""

import re

import pytest

import scripted
import sshd as sshd_module
from checker import set_key_options
from transfer import replies_to_end

EXPIRED = "You are required to change your password"
RESTRICTED = "Ask the helpdesk (tel. 4711) for access."

# Days since 1970 of the last change, and how long a password is good.
OLD_PASSWORD = "root:*:1:0:1:7:::\n"
ENFORCED = "root:*:0:0:99999:7:::\n"
OLD_ACCOUNT = "root:*:19000:0:99999:7::1:\n"


def with_shadow(sshd, line):
    """Give root that line of /etc/shadow, as this sshd sees it."""
    sshd.stop()
    with open(f"{sshd.dir}/shadow", "w") as file:
        file.write(line)
    sshd.start()
    return sshd


def refused(tunnel):
    """Connect as a client; returns the only reply."""
    with scripted.client(*tunnel.listeners[0]) as client:
        replies = replies_to_end(client)
    assert len(replies) == 1 and replies[0].startswith("421 "), replies
    return replies[0]


@pytest.mark.parametrize("line", [OLD_PASSWORD, ENFORCED],
                         ids=["old", "enforced"])
def test_password_expired(line, start_sshd, start_culvert, checker):
    """The 421, the log and culvert check quote it and name no directive."""
    sshd = with_shadow(start_sshd("UsePAM yes"), line)
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd)
    for _ in range(2):
        reply = refused(tunnel)
        assert "password has expired" in reply, reply
        assert "AllowTcpForwarding" not in reply, reply
    log = tunnel.wait_log("cannot be reached from the SSH server: ").string
    assert "Your password has expired." in log, log
    assert "AllowTcpForwarding" not in tunnel.output
    report = checker("-F", sshd.config, "-L", "0:127.0.0.1:21", sshd.host)
    finding = report.find("connect")
    assert finding["status"] == "WRONG"
    assert "Your password has expired" in finding["text"], finding
    fixes = report.fixes("connect")
    assert any("passwd" in put for _, put in fixes), fixes
    assert not any("AllowTcpForwarding" in put for _, put in fixes), fixes
    assert "AllowTcpForwarding" not in report.brief()


def test_password_expired_remote(start_sshd, start_culvert, checker):
    """With -R culvert ends and gives the reason."""
    sshd = with_shadow(start_sshd("UsePAM yes"), OLD_PASSWORD)
    tunnel = start_culvert(remotes=["2121:127.0.0.1:21"], sshd=sshd,
                           ready=False)
    log = tunnel.wait_log("sshd refused to listen ").string
    assert "Your password has expired." in log, log
    assert "AllowTcpForwarding" not in log
    tunnel.process.wait()
    report = checker("-F", sshd.config, "-R", "2121:127.0.0.1:21", sshd.host)
    assert "Your password has expired" in report.find("remote forward")["text"]
    assert "AllowTcpForwarding" not in report.brief()


def test_account_expired(start_sshd, start_culvert, checker):
    """PAM reports it before the login is refused."""
    sshd = with_shadow(start_sshd("UsePAM yes"), OLD_ACCOUNT)
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd, ready=False,
                           options=["-o", "LogLevel=INFO"])
    tunnel.wait_log("ssh could not connect to .*: Your account has expired")
    tunnel.process.wait()
    report = checker("-F", sshd.config, "-L", "0:127.0.0.1:21", sshd.host)
    finding = report.find("authentication")
    assert "Your account has expired" in finding["text"], report.brief()
    assert any("usermod -e" in put or "chage" in put
               for _, put in report.fixes("authentication"))


SAYS = {
    "nologin": "This account is currently not available.",
    "command": RESTRICTED,
}


@pytest.mark.parametrize("what", SAYS)
def test_restricted(what, start_sshd, start_culvert, checker):
    """The log and culvert check quote the account's text and name the
    directives. Clients get only known sentences, because a forced command can
    print anything.
    """
    sshd = start_sshd("AllowTcpForwarding no")
    if what == "nologin":
        sshd_module.write_file(f"{sshd.dir}/passwd",
                               sshd_module.passwd("/usr/sbin/nologin"), 0o644)
    else:
        set_key_options(sshd, f"command=\"echo '{RESTRICTED}'\"")
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd)
    reply = refused(tunnel)
    assert (SAYS[what] in reply) == (what == "nologin"), reply
    assert "AllowTcpForwarding" in reply, reply
    tunnel.wait_log("a session there says: \"" + re.escape(SAYS[what]))
    log = tunnel.wait_log("cannot be reached from the SSH server: ").string
    assert "AllowTcpForwarding" in log, log
    report = checker("-F", sshd.config, "-L", "0:127.0.0.1:21", sshd.host)
    assert SAYS[what] in report.find("connect")["text"], report.brief()
    assert any("AllowTcpForwarding" in put for _, put in report.fixes("connect"))


MOTD = "Your licence expired. Change your password at the desk."


@pytest.mark.parametrize("directive", [
    "AllowTcpForwarding no", "PermitOpen 127.0.0.1:1"])
def test_motd_about_expiry(directive, start_sshd, start_culvert, checker):
    """Text that only mentions expiry replaces no directive, and no client gets
    it.
    """
    sshd = start_sshd(directive)
    set_key_options(sshd, f"command=\"echo '{MOTD}'\"")
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd)
    reply = refused(tunnel)
    assert "licence" not in reply and "PermitOpen" in reply, reply
    tunnel.wait_log("a session there says: \"" + re.escape(MOTD))
    report = checker("-F", sshd.config, "-L", "0:127.0.0.1:21", sshd.host)
    fixes = [put for _, put in report.fixes("connect")]
    assert any("AllowTcpForwarding yes" in put for put in fixes), fixes
    assert not any("passwd" in put for put in fixes), fixes


def test_forward_that_worked(server, start_sshd, start_culvert):
    """After a successful forward, no session is opened to explain a refusal.

    The session would report that the password has expired, which is not
    the reason.
    """
    one = server("vsftpd")
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{one.port}")
    set_key_options(sshd, "command=\"echo 'Your password has expired.'\"")
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", "0:127.0.0.1:1",
                           sshd=sshd)
    with scripted.client(*tunnel.listeners[0]) as client:
        client.expect("220")
        with scripted.client(*tunnel.listeners[1]) as other:
            replies = replies_to_end(other)
    assert len(replies) == 1 and "PermitOpen" in replies[0], replies
    assert "expired" not in replies[0] + tunnel.output


@pytest.mark.parametrize("command, says", [
    ("printf '\\033]0;owned\\007 421 bye\\r\\n%s\\n' x", None),
    ("yes", "y y y"),
    ("sleep 60", None),
    ("exit 0", None),
], ids=["escapes", "endless", "silent", "nothing"])
def test_printed_text_is_harmless(command, says, start_sshd, start_culvert):
    """It is escaped and cut, and culvert waits for it only for a while."""
    sshd = start_sshd("AllowTcpForwarding no")
    script = f"{sshd.dir}/command"
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\n{command}\n")
    set_key_options(sshd, f'command="sh {script}"')
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd)
    reply = refused(tunnel)
    assert "administratively prohibited" in reply and len(reply) < 512, reply
    assert reply.count("\n") == 1 and "\033" not in reply, reply
    if says:
        assert says not in reply
        tunnel.wait_log(f'a session there says: "{says}')


def test_no_session(start_sshd, start_culvert):
    """--no-session: no session is opened, and only the directives are named.
    """
    sshd = with_shadow(start_sshd("UsePAM yes"), OLD_PASSWORD)
    tunnel = start_culvert("0:127.0.0.1:21", sshd=sshd,
                           options=["--no-session"])
    assert "administratively prohibited: open failed, see AllowTcp" \
        in refused(tunnel)
