"""The command line: -L, what goes to ssh, words, bad usage."""

import os
import re
import shutil
import socket
import subprocess

import pytest

import cli
import culvert
import scripted
from cli import greet
from process import FAILSAFE, children, until

SSH = shutil.which("ssh")


@pytest.fixture
def start(tmp, sshd):
    """Return a function: options to a culvert that runs them."""
    started = []

    def run(*argv, **env):
        started.append(cli.Background(
            tmp, *argv, "-F", sshd.config, "files.test", **env))
        return started[-1]

    yield run
    for one in started:
        assert one.stop() == 0, one.output


# ---- -L ----

@pytest.mark.parametrize("forward, addresses, shown", [
    ("0", ["127.0.0.1"], r"127\.0\.0\.1:{port}"),
    ("ftp/0", ["127.0.0.1"], r"127\.0\.0\.1:{port}"),
    ("127.0.0.2:0", ["127.0.0.2"], r"127\.0\.0\.2:{port}"),
    ("[127.0.0.2]:0", ["127.0.0.2"], r"127\.0\.0\.2:{port}"),
    ("ftp/[::1]:0", ["::1"], r"\[::1\]:{port}"),
    ("localhost:0", ["127.0.0.1"], r".*127\.0\.0\.1:{port}.*"),
    ("*:0", ["127.0.0.1", "127.0.0.2", "::1"], r"\*:{port}"),
    (":0", ["127.0.0.1", "::1"], r"\*:{port}"),
])
def test_listen(forward, addresses, shown, start, far_server):
    """Every form of -L, and the line with the address."""
    one = start("--allow", "127.0.0.0/8", "--allow", "::1",
                "-L", f"{forward}:127.0.0.1:{far_server.port}")
    port = int(one.wait_line(r"^culvert: listening on \S*:(\d+)[ ,]")[1])
    line = one.wait_line("listening on").string
    assert re.fullmatch(
        rf"culvert: listening on {shown.format(port=port)}, "
        rf"through files\.test to 127\.0\.0\.1:{far_server.port}", line), line
    for address in addresses:
        greet(far_server, address, port)


def test_listen_on_one_address_only(start, far_server):
    """Without a bind address no other address is bound."""
    one = start("-L", f"0:127.0.0.1:{far_server.port}")
    port = int(one.wait_line(r"listening on 127\.0\.0\.1:(\d+),")[1])
    for address in "127.0.0.2", "::1":
        with pytest.raises(ConnectionRefusedError):
            scripted.client(address, port)


def test_ipv6_server(start, ns):
    """The FTP server's host in brackets."""
    with scripted.server(ns, "::1") as listener:
        one = start("-L", f"0:[::1]:{listener.port}")
        port = int(one.wait_line(
            r":(\d+), through files\.test to "
            rf"\[::1\]:{listener.port}$")[1])
        greet(listener, "127.0.0.1", port)


def test_several_tunnels(start, ns, far_server):
    """One line for each, in order, and nothing else."""
    with scripted.server(ns) as second:
        one = start("-L", f"0:127.0.0.1:{far_server.port}",
                    "-L", f"127.0.0.2:0:localhost:{second.port}")
        one.wait_line(f"to localhost:{second.port}$")
        lines = culvert.said(one.output).split("\n")
        assert len(lines) == 2, lines
        ports = [re.match(r"culvert: listening on [\d.]+:(\d+), through "
                          "files.test to ", line)[1] for line in lines]
        assert lines[0].endswith(f"to 127.0.0.1:{far_server.port}")
        greet(far_server, "127.0.0.1", int(ports[0]))
        greet(second, "127.0.0.2", int(ports[1]))


def test_default(ns, sshd, tmp):
    """Without -L: 2121:localhost:21, if port 2121 is free here."""
    one = cli.Process(
        ns.argv([culvert.PROGRAM, "-F", sshd.config, "root@files.test"]),
        "culvert", env=cli.environment(tmp))
    try:
        one.wait_line("^culvert: listening on 127.0.0.1:2121, "
                      "through root@files.test to localhost:21$")
        assert culvert.said(one.output).count("\n") == 0, one.output
    finally:
        assert one.stop() == 0, one.output


def test_names(start, ns, far_server):
    """The FTP server's name is looked up on the far side."""
    one = start("-L", f"0:localhost:{far_server.port}")
    port = int(one.wait_line(r"listening on 127\.0\.0\.1:(\d+),")[1])
    greet(far_server, "127.0.0.1", port)


# ---- what goes to ssh ----

@pytest.fixture
def wrapper(tmp):
    """Return an ssh that writes its arguments to a file: (it, the file)."""
    path, record = tmp / "my-ssh", tmp / "argv"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{record}\n'
                    f'exec {SSH} "$@"\n')
    path.chmod(0o755)
    return path, record


def test_options_for_ssh(wrapper, tmp, sshd, far_server):
    """ssh gets them unchanged, in order, before `--`."""
    program, record = wrapper
    key = os.path.join(os.path.dirname(sshd.config), "user_key")
    options = ["-4", "-F", sshd.config, "-i", key, "-p", str(sshd.port),
               "-l", "root", "-c", "aes256-gcm@openssh.com",
               "-o", "Compression=no", "-o", "SendEnv A_* B_*"]
    one = cli.Background(tmp, "--ssh", str(program), *options, "-L",
                         f"0:127.0.0.1:{far_server.port}", "files.test")
    try:
        one.wait_line("listening on")
    finally:
        assert one.stop() == 0, one.output
    got = record.read_text().split("\n")[:-1]
    place = got.index("-4")
    assert got[place:place + len(options)] == options
    assert got[-2:] == ["--", "files.test"]
    assert not any(word.startswith("-L") for word in got), got


def test_jump(tmp, sshd, far_server):
    """-J: through another host."""
    one = cli.Background(tmp, "-F", sshd.config, "-J", "files6.test", "-L",
                         f"0:127.0.0.1:{far_server.port}", "files.test")
    try:
        port = int(one.wait_line(r"listening on 127\.0\.0\.1:(\d+),")[1])
        greet(far_server, "127.0.0.1", port)
    finally:
        assert one.stop() == 0, one.output


def test_family(tmp, ns, sshd):
    """-4 and -6 reach ssh: with the wrong one it does not connect."""
    status, said = cli.run(tmp, "-6", "-F", sshd.config, "-L", "0:h:21",
                           "-o", f"HostName={ns.far4}", "files.test")
    assert status == 255, said


def test_end_of_options(tmp, sshd, far_server):
    """`--` ends them."""
    one = cli.Background(tmp, "-F", sshd.config, "-L",
                         f"0:127.0.0.1:{far_server.port}", "--", "files.test")
    try:
        one.wait_line("listening on")
    finally:
        assert one.stop() == 0, one.output


def test_options_behind_the_destination(tmp, sshd, far_server):
    """Options may follow the destination, as with ssh."""
    one = cli.Background(tmp, "files.test", "-F", sshd.config, "-L",
                         f"0:127.0.0.1:{far_server.port}")
    try:
        one.wait_line("listening on")
    finally:
        assert one.stop() == 0, one.output


# ---- words ----

def play(one, far_server):
    """Have a session say its password, and end."""
    port = int(one.wait_line(r"listening on 127\.0\.0\.1:(\d+),")[1])
    with scripted.client("127.0.0.1", port) as client, \
            far_server.accept() as server:
        server.reply("220 hello")
        client.expect("220")
        client.command("PASS secret")
        server.expect_command("PASS secret")
        server.reply("230 in")
        client.expect("230")


def test_quiet_by_default(start, far_server):
    """A session without problems logs nothing."""
    one = start("-L", f"0:127.0.0.1:{far_server.port}")
    play(one, far_server)
    assert culvert.said(one.output).count("\n") == 0, one.output


def test_verbose(start, far_server):
    """-v: sessions, but no commands and no debug output of ssh."""
    one = start("-v", "-L", f"0:127.0.0.1:{far_server.port}")
    play(one, far_server)
    one.wait_line(r"^culvert: \[1\] control connection from 127\.0\.0\.1")
    one.wait_line(r"^culvert: \[1\] ended")
    assert "PASS" not in one.output
    assert "culvert: ssh: " not in one.output


def test_very_verbose(start, far_server):
    """-vv: commands and replies, too, but never the password."""
    one = start("-vv", "-L", f"0:127.0.0.1:{far_server.port}")
    play(one, far_server)
    one.wait_line(r"^culvert: \[1\] <- 220 hello$")
    one.wait_line(r"^culvert: \[1\] -> PASS")
    one.wait_line(r"^culvert: \[1\] <- 230 in$")
    one.wait_line(r"^culvert: \[1\] ended")
    assert "secret" not in one.output
    assert "culvert: ssh: " not in one.output


def test_verbose_ssh(start, far_server):
    """-vvv: what ssh -v prints, too, and -vvvv what ssh -vv prints."""
    for option, most in (("-vvv", "debug1"), ("-vvvv", "debug2")):
        one = start(option, "-L", f"0:127.0.0.1:{far_server.port}")
        play(one, far_server)
        one.wait_line(r"^culvert: \[1\] -> PASS")
        one.wait_line("^culvert: ssh: .*Authenticated to")
        one.wait_line(r"^culvert: \[1\] ended")
        found = set(re.findall("ssh: (debug.):", one.output))
        assert max(found) == most, found


def test_ssh_alone_verbose(start, far_server):
    """-o LogLevel=DEBUG: ssh's debug output, and no more of culvert's."""
    one = start("-o", "LogLevel=DEBUG", "-L", f"0:127.0.0.1:{far_server.port}")
    play(one, far_server)
    one.wait_line("^culvert: ssh: .*Authenticated to")
    assert "control connection from" not in one.output


@pytest.mark.parametrize("option, least, most", [
    ("-q", 0, 0), ("-v", 20, 25), ("-vv", 1000, 1000)])
def test_repeated_lines(option, least, most, tmp, sshd, far_server):
    """Lines of ssh that differ only in numbers are limited and counted."""
    noise = "for i in $(seq 1000); do echo channel $i: open failed; " \
        "[ $i != 500 ] || echo something else; done >&2; echo the end >&2"
    config = cli.ssh_config(tmp, sshd, "PermitLocalCommand yes",
                            f"LocalCommand {noise}")
    one = cli.Background(tmp, option, "-F", config, "-L",
                         f"0:127.0.0.1:{far_server.port}", "files.test")
    if option == "-q":
        until(lambda: list(tmp.glob("culvert.*/ctl")), "ssh has connected")
    else:
        one.wait_line("^culvert: ssh: the end$")
    assert one.stop() == 0
    count = len(re.findall(r"ssh: channel \d+: open failed$", one.output, re.M))
    assert least <= count <= most, one.output
    assert one.output.count("ssh: something else\n") == (option != "-q")
    left = sum(map(int, re.findall(
        r"(\d+) more warnings? of this kind w", one.output)))
    assert left == (1000 - count if option == "-v" else 0)


def test_lines_that_differ_in_words(tmp, sshd, far_server):
    """Many lines of ssh are limited, too, if names in them differ."""
    noise = "for i in $(seq 2000 | tr 0-9 a-j); do " \
        "echo connect to $i.example port 21: failed; done >&2"
    config = cli.ssh_config(tmp, sshd, "PermitLocalCommand yes",
                            f"LocalCommand {noise}")
    one = cli.Background(tmp, "-F", config, "-L",
                         f"0:127.0.0.1:{far_server.port}", "files.test")
    one.wait_line("^culvert: listening")
    assert one.stop() == 0
    count = one.output.count(".example port 21: failed")
    assert 200 <= count <= 250, one.output
    left = re.findall(r"(\d+) more ssh lines? w", one.output)
    assert sum(map(int, left)) == 2000 - count, one.output[-1000:]


def test_quiet(start, far_server):
    """-q: not even the listening line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = start("-q", "-L", f"{port}:127.0.0.1:{far_server.port}")

    def connect():
        try:
            return scripted.client("127.0.0.1", port)
        except ConnectionRefusedError:
            return None

    with until(connect, "culvert listens") as client, \
            far_server.accept() as server:
        server.reply("220 hello")
        client.expect("220")
    assert one.output == ""


def test_quiet_prints_errors(tmp, sshd):
    """-q: errors are printed."""
    status, said = cli.run(
        tmp, "-q", "-F", sshd.config, "-o", "HostKeyAlias=unknown", "-L",
        "0:h:21", "files.test")
    assert status == 255
    assert "ssh could not connect to files.test" in said, said


def test_help_full(tmp):
    """--help to a full disk is a failure."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([culvert.PROGRAM, "--help"], stdout=full,
                              stderr=subprocess.PIPE, text=True,
                              timeout=FAILSAFE, env=cli.environment(tmp))
    assert done.returncode == 1
    assert "cannot write: No space left on device" in done.stderr


def test_help(tmp):
    """--help and --version, on standard output, with status 0."""
    status, said = cli.run(tmp, "--help")
    assert status == 0 and said.startswith("usage: culvert "), said
    for word in ("2121:localhost:21", "--ssh", "--batch", "--foreign-port",
                 "--allow-tls", "--any-user", "--max-sessions", "-q", "-v", "-R",
                 "--allow FROM", "--server-mode", "--far-address",
                 "--client-address", "--client-ports", "--server-data-host",
                 "--client-data-host", "--links",
                 "--max-window", "--max-memory", "--no-cipher-order",
                 "--no-session", "--retry", "--link-wait", "--on-demand",
                 "--idle-exit"):
        assert word in said, word
    assert max(map(len, said.split("\n"))) <= 80
    assert cli.run(tmp, "--version")[0] == 0
    assert re.fullmatch(r"culvert \d+\.\d+\.\d+\n",
                        cli.run(tmp, "--version")[1])


def test_manual(tmp):
    """Each option of --help is in the synopsis of culvert(1), and explained."""
    text = (culvert.REPO / "man/culvert.1").read_text()
    synopsis, rest = re.split(r"^\.Sh DESCRIPTION$", text, flags=re.M)
    lines = re.findall(r"^ {2,6}(-.*?)(?: {2,}.*)?$",
                       cli.run(tmp, "--help")[1], re.M)
    named = set(re.findall(r"--([a-z-]+)", " ".join(lines)))
    assert {"upload", "allow", "background", "session-rate"} <= named
    for name in named:
        word = rf"(?<![\w-])-{name}(?![\w-])"
        assert name == "background" or re.search(word, synopsis), name
        assert re.search(rf"^\.It Fl .*{word}", rest, re.M), name


def test_summary(tmp):
    """-h: ten lines of --help, and where to find the rest."""
    status, said = cli.run(tmp, "-h")
    assert status == 0 and said.startswith("usage: culvert "), said
    lines = said.splitlines()
    assert len(lines) <= 10 and max(map(len, lines)) <= 80, said
    assert "culvert --help" in said and "man culvert" in said
    text = cli.run(tmp, "--help")[1]
    named = re.findall(r"(?<=[ \[|])--?[\w-]+", said)
    assert {"-L", "-R", "-v"} <= set(named)
    for option in named:
        assert option.rstrip("v") in text or option in text, option
    for name in re.search(r"culvert ([a-z|]{20,})", said)[1].split("|"):
        assert re.search(rf"^ +culvert (\w+\|)*{name}\b", text, re.M), name


# ---- bad usage ----

@pytest.mark.parametrize("argv, named", [
    ([], "no destination"),
    (["-L", "0:h:21"], "no destination"),
    (["host", "ls"], '"ls"'),
    (["-L", "nonsense", "host"], "nonsense"),
    (["-L", "0:h", "host"], "0:h"),
    (["-L", "0:h:0", "host"], "server's port"),
    (["-L", "65536:h:21", "host"], "listening port"),
    (["-L", "0:::1:21", "host"], "brackets"),
    (["-L", "/tmp/sock:h:21", "host"], "Unix socket"),
    (["-L", "0:-oProxyCommand=x:21", "host"], "must not begin"),
    (["-L", "-x:0:h:21", "host"], "must not begin"),
    (["--", "-oProxyCommand=touch x"], "must not begin"),
    (["--", "alice@-oProxyCommand=x"], "must not begin"),
    (["-x", "host"], "-x"),
    (["--nonsense", "host"], "--nonsense"),
    (["-p"], "-p"),
    (["--foreign-port", "maybe", "host"], "maybe"),
    (["--max-sessions", "0", "host"], "--max-sessions 0"),
    (["-R", "2222", "host"], "-R 2222: expected"),
    (["--allow", "files.test", "host"], "192.0.2.0/24"),
    (["--allow", "0.0.0.0", "host"], "0.0.0.0/0 is everybody"),
    (["--server-mode", "both", "host"], '"passive"'),
    (["--server-data-host", "x", "host"], '"reply"'),
    (["--client-data-host", "x", "host"], '"command"'),
    (["--far-address", "files.test", "host"], "not a name"),
    (["--client-address", "::", "host"], "not the address of a host"),
    (["--client-ports", "9-8", "host"], "above the last"),
    (["--client-ports", "8-9", "-R", "0:h:21", "host"], "it needs a -L"),
    (["--far-address", "10.0.0.1", "-R", "0:h:21", "host"], "needs a -L"),
    (["--client-address", "10.0.0.1", "-L", "0:h:21", "-R", "0:h:21",
      "host"], "run culvert twice"),
    ([""], "empty"),
])
def test_bad_usage(argv, named, tmp):
    """Status 2, and the message names the mistake; ssh is not started."""
    status, said = cli.run(tmp, "--ssh", "/bin/false", *argv)
    assert status == 2, said
    assert named in said, said
    assert all(line.startswith("culvert: ")
               for line in said.splitlines()), said


def test_only_ssh_is_started(start, far_server):
    """The monitor is the only child; its only child is ssh, without a shell.
    """
    one = start("-L", f"0:127.0.0.1:{far_server.port}")
    one.wait_line("listening on")
    names = []
    pids = [one.pid]
    while pids:
        pids = [child for pid in pids for child in children(pid)]
        for pid in pids:
            with open(f"/proc/{pid}/comm") as file:
                names.append(file.read().strip())
    assert names == ["culvert-monitor", "ssh"]
