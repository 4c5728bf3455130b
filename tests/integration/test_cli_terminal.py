"""In the foreground: ssh asks, Ctrl-C stops."""

import contextlib
import ftplib
import re
import shutil
import subprocess
import types

import pytest

import cli
import culvert
import scripted
from process import until
from transfer import Ftp, replies_to_end


@pytest.fixture
def terminal(tmp):
    """Return a function that runs culvert on a terminal of its own."""
    with cli.terminals(tmp) as run:
        yield run
    assert not list(tmp.glob("culvert.*")), "a private directory is left"


@pytest.fixture
def unknown_host(tmp, sshd):
    """Return an ssh_config that does not know the host's key."""
    return cli.ssh_config(tmp, sshd, "StrictHostKeyChecking ask",
                          f"UserKnownHostsFile {tmp}/known_hosts")


@pytest.fixture
def locked_key(tmp, sshd):
    """Return an ssh_config whose key has a passphrase."""
    key = tmp / "locked_key"
    shutil.copy(f"{sshd.dir}/user_key", key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "sesame", "-f",
                    key], check=True)
    # Like "IdentityFile", but not one more beside sshd's own.
    config = cli.ssh_config(tmp, sshd, name="config-of-locked")
    with open(config) as file:
        text = file.read().replace(f"{sshd.dir}/user_key", str(key))
    with open(config, "w") as file:
        file.write(text)
    return config


def port_of(one):
    """Return where it listens, once it does."""
    one.wait_for(" through ")
    return int(re.search(r"listening on 127\.0\.0\.1:(\d+),", one.text)[1])


def test_unknown_host_key(terminal, unknown_host, tmp):
    """ssh asks on the terminal and gets the answer."""
    one = terminal("-F", unknown_host, "-L", "0:h:21", "files.test")
    one.wait_for("Are you sure you want to continue connecting")
    assert "listening on" not in one.text
    one.type("yes\n")
    port_of(one)
    assert (tmp / "known_hosts").exists()
    one.type("\x03")
    assert one.wait() == 0, one.text


def test_no_to_an_unknown_host_key(terminal, unknown_host):
    """The answer no: status 255."""
    one = terminal("-F", unknown_host, "-L", "0:h:21", "files.test")
    one.wait_for("Are you sure")
    one.type("no\n")
    assert one.wait() == 255, one.text
    assert "Host key verification failed." in one.text, one.text


def test_batch_asks_nothing(terminal, unknown_host, locked_key):
    """--batch on a terminal: no prompt, status 255."""
    for config, word in ((unknown_host, "Host key verification failed"),
                         (locked_key, "Permission denied")):
        one = terminal("--batch", "-F", config, "-L", "0:h:21", "files.test")
        assert one.wait() == 255, one.text
        assert word in one.text, one.text
        assert "Are you sure" not in one.text
        assert "Enter passphrase" not in one.text


def test_passphrase(terminal, locked_key):
    """ssh asks for a key's passphrase, without echo, and it works."""
    one = terminal("-F", locked_key, "-L", "0:h:21", "files.test")
    one.wait_for("Enter passphrase for key")
    assert not one.echoes()
    one.type("sesame\n")
    port_of(one)
    assert "sesame" not in one.text
    assert one.echoes()
    one.type("\x03")
    assert one.wait() == 0, one.text


def test_password(terminal, start_sshd, tmp):
    """ssh asks for the password of an account."""
    config = cli.password_config(start_sshd, tmp)
    one = terminal("-F", config, "-L", "0:h:21", "files.test")
    one.wait_for("password: ")
    one.type("wrong\n")
    # ssh writes the prompt itself; its messages come through culvert.
    one.wait_for("password: ")
    one.type("hunter2\n")
    port_of(one)
    assert "Permission denied, please try again." in one.text, one.text
    assert "hunter2" not in one.text
    one.type("\x03")
    assert one.wait() == 0, one.text


def test_password_of_more_links(terminal, start_sshd, server, tmp):
    """It asks once; links that would need the password again are not opened.
    """
    config = cli.password_config(start_sshd, tmp)
    ftpd = server("vsftpd")
    (ftpd.root / "of-more-links").write_bytes(b"small")
    one = terminal("-F", config, "--links", "4", "-L",
                   f"0:127.0.0.1:{ftpd.port}", "files.test")
    one.wait_for("password: ")
    one.type("hunter2\n")
    there = types.SimpleNamespace(listeners=[("127.0.0.1", port_of(one))])
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(Ftp(there, ftpd)) for _ in range(3)]
        for ftp in sessions[:2]:
            ftp.exchange("PASV", "227")
        one.wait_for("cannot open another SSH connection to files.test; "
                     "continuing with 1 (--links 4")
        one.wait_for("Permission denied")
        for ftp in sessions:
            assert ftp.fetch("passive", "RETR of-more-links") == b"small"
    one.type("\x03")
    assert one.wait() == 0, one.text
    assert one.text.count("password: ") == 1, one.text
    assert one.text.count("Permission denied") == 1, one.text


@pytest.mark.parametrize("config, question", [
    ("locked_key", "Enter passphrase for key"),
    ("unknown_host", "Are you sure"),
])
def test_interrupt_at_a_question(config, question, terminal, request):
    """Ctrl-C there: status 0, and the terminal echoes again."""
    one = terminal("-F", request.getfixturevalue(config), "-L", "0:h:21",
                   "files.test")
    one.wait_for(question)
    one.type("\x03")
    assert one.wait() == 0, one.text
    assert one.echoes()


def test_interrupt(terminal, sshd, ns):
    """Ctrl-C does not end ssh first; the session gets 421, and status 0."""
    with scripted.server(ns) as listener:
        one = terminal("-F", sshd.config, "-L",
                       f"0:127.0.0.1:{listener.port}", "files.test")
        with scripted.client("127.0.0.1", port_of(one)) as client, \
                listener.accept() as server:
            server.reply("220 hello")
            client.expect("220")
            one.type("\x03")
            replies = replies_to_end(client)
            assert [text[:3] for text in replies] == ["421"], replies
        assert one.wait() == 0, one.text
    assert "was lost" not in one.text


def test_interrupt_in_an_upload(terminal, sshd, tmp):
    """Ctrl-C while a gateway stores a file: nothing of it is left."""
    folder = tmp / "files"
    folder.mkdir()
    one = terminal("-F", sshd.config, "-L", f"sftp/0:{folder}", "files.test")
    with contextlib.suppress(*ftplib.all_errors), ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", port_of(one))
        ftp.login("anybody", "anything")
        with ftp.transfercmd("STOR file") as data:
            data.sendall(bytes(100_000))
            until(lambda: list(folder.iterdir()), "there is a file")
            one.type("\x03")
            assert one.wait() == 0, one.text
    assert not list(folder.iterdir()), one.text


def test_hang_up(tmp, sshd):
    """The terminal is closed: culvert ends and leaves nothing."""
    one = cli.Terminal([culvert.PROGRAM, "-F", sshd.config, "-L", "0:h:21",
                        "files.test"], cli.environment(tmp))
    with contextlib.closing(one):
        port_of(one)
        one.hang_up()
        assert one.wait() == 0, one.text
    assert not list(tmp.glob("culvert.*"))
