"""The order of ciphers: AES-GCM first, or what the user says.

What ssh and sshd agree on is in ssh's own words at -vvv.
"""

import contextlib
import re
import signal

import pytest

import cli
import culvert
from process import descendants, until, wait_gone

GCM, CHACHA = "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"


def _cpu_has_aes():
    with open("/proc/cpuinfo") as file:
        words = set(re.findall(r"\w+", file.read()))
    return {"aes", "pclmulqdq"} <= words or {"aes", "pmull"} <= words


pytestmark = pytest.mark.skipif(
    not _cpu_has_aes(), reason="this CPU has no AES instructions")


@pytest.fixture
def agreed(tmp):
    """Return a function: a configuration and options to the cipher in use."""
    started = []

    def get(config, *options):
        one = cli.Background(tmp, "-vvv", "-F", config, *options,
                             "-L", "0:127.0.0.1:21", "files.test")
        started.append(one)
        ciphers = {one.wait_line(rf"kex: {way} cipher: (\S+)")[1]
                   for way in ("server->client", "client->server")}
        one.wait_line("^culvert: listening on")
        assert len(ciphers) == 1
        return one, ciphers.pop()

    yield get
    for one in started:
        assert one.stop() == 0, one.output


def test_default(agreed, sshd):
    """AES-GCM first, and one line that says so."""
    one, cipher = agreed(sshd.config)
    assert cipher == GCM
    lines = [line for line in one.lines if "culvert: ssh offers" in line]
    assert len(lines) == 1
    assert re.fullmatch(
        f"culvert: ssh offers ciphers in this order: {GCM},"
        rf"[a-z0-9@.,-]*{CHACHA}[a-z0-9@.,-]*", lines[0])


def test_off(agreed, sshd):
    """--no-cipher-order: ssh's own order, and no message."""
    one, cipher = agreed(sshd.config, "--no-cipher-order")
    assert cipher == CHACHA
    assert "ciphers in this order" not in one.output
    assert "order of ciphers" not in one.output


@pytest.mark.parametrize("line, expected", [
    ("Ciphers aes256-ctr,aes128-gcm@openssh.com", "aes256-ctr"),
    ("Ciphers ^aes192-ctr", "aes192-ctr"),
    ("Ciphers -aes256-ctr", CHACHA),
    ("Ciphers +aes128-cbc", CHACHA),
])
def test_configured(line, expected, agreed, sshd, tmp):
    """A configured list is unchanged, however it is written."""
    one, cipher = agreed(cli.ssh_config(tmp, sshd, line))
    assert cipher == expected
    one.wait_line(
        "^culvert: ssh keeps its own order of ciphers: it is configured$")


@pytest.mark.parametrize("options", [
    ["-c", "aes256-ctr"], ["-o", "Ciphers=aes256-ctr"],
    ["-oCiphers=^aes256-ctr"]])
def test_options(options, agreed, sshd):
    """The same on the command line."""
    assert agreed(sshd.config, *options)[1] == "aes256-ctr"


def test_ssh_without_g(agreed, sshd, tmp):
    """A program without -G is started with its own list."""
    program = tmp / "my-ssh"
    program.write_text('#!/bin/sh\nfor word; do [ "$word" != -G ] || exit 1; '
                       'done\nexec ssh "$@"\n')
    program.chmod(0o755)
    one, cipher = agreed(sshd.config, "--ssh", str(program))
    assert cipher == CHACHA
    one.wait_line("own order of ciphers: ssh -G failed$")


def test_bad_configuration(sshd, tmp):
    """An error is reported once, by the ssh that connects."""
    config = cli.ssh_config(tmp, sshd, "Nonsense yes")
    said = [cli.run(tmp, *options, "-F", config, "-L", "0:h:21", "files.test")
            for options in ([], ["--no-cipher-order"])]
    assert said[0] == said[1]
    assert said[0][0] == 255 and "nonsense" in said[0][1], said[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_while_it_hangs(number, sshd, tmp):
    """A signal while Match exec hangs ends everything at once."""
    config = tmp / "config"
    with open(sshd.config) as file:
        config.write_text('Match exec "sleep 1000"\n' + file.read())
    one = cli.Background(tmp, "-F", str(config), "-L", "0:h:21", "files.test")

    def asked():
        names = {}
        for pid in descendants(one.pid):
            # The shell of Match exec may have ended meanwhile.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(f"/proc/{pid}/comm") as file:
                names[pid] = file.read().strip()
        return "sleep" in names.values() and names

    kin = until(asked, "Match exec runs")
    assert one.stop(number) == 0, one.output
    assert culvert.said(one.output) == ""
    for pid in kin:
        assert wait_gone(pid)
