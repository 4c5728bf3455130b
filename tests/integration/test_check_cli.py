"""culvert check: its command line, tunnels, and reports."""

import re
import socket
import subprocess

import pytest

import culvert
from checker import default_sshd, vsftpd  # noqa: F401
from sshd import openssh_version

CONFIG = """\
[defaults]
F = {config}

[tunnel plant]
destination = {host}
L = 0:127.0.0.1:{port}

[tunnel plant-active]
destination = {host}
L = 0:127.0.0.1:{port}
server-mode = active
"""


@pytest.fixture
def plant(sshd, vsftpd, tmp):
    """Return the path of a configuration file with two tunnels."""
    path = tmp / "plant.conf"
    path.write_text(CONFIG.format(config=sshd.config, host=sshd.host,
                                  port=vsftpd.port))
    return path


# ---- tunnels ----

def test_tunnel(plant, checker):
    """The name of a tunnel of the file: it is checked with its options."""
    report = checker("-f", plant, "plant")
    report.all_well()
    assert report.json["destination"] == "plant"
    assert report.json["command"] == f"culvert up -f {plant} plant"
    report = checker("-f", plant, "plant-active")
    report.all_well()
    assert report.find("PASV")["status"] == "skipped"


def test_mode_of_a_tunnel(start_sshd, vsftpd, checker, tmp):
    """The report suggests the mode for the section of the tunnel."""
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{vsftpd.port}")
    path = tmp / "plant.conf"
    path.write_text(CONFIG.format(config=sshd.config, host=sshd.host,
                                  port=vsftpd.port))
    report = checker("-f", path, "plant")
    assert report.status == 0  # culvert finds out by itself, too
    assert ("[tunnel plant], as a key", "--server-mode active") in \
        report.fixes("PASV")
    assert report.json["command"] == f"culvert up -f {path} plant # with " \
        "server-mode = active in its section"
    checker("-f", path, "plant-active").all_well()


def test_user_of_a_file(plant, checker):
    """As root it becomes the user that culvert up would become."""
    text = plant.read_text()
    plant.write_text(text.replace("[defaults]\n",
                                  "[defaults]\nuser = nobody-at-all\n"))
    status, said, errors = checker.raw("-f", plant, "plant")
    assert (status, said) == (1, "")
    assert "nobody-at-all" in errors


def test_default_file(plant, checker):
    """The same in the file that culvert up would read."""
    (checker.home / "culvert").mkdir()
    plant.rename(checker.home / "culvert/culvert.conf")
    report = checker("plant")
    report.all_well()
    assert report.json["command"] == "culvert up plant"


def test_mistyped_tunnel(plant, checker):
    """No tunnel has that name: the message suggests the nearest one."""
    report = checker("-f", plant, "plnat")
    assert report.status == 1
    assert "there is no [tunnel plnat] in" in report.find("tunnel")["text"]
    assert "most similar tunnel name is plant" in report.find("tunnel")["text"]
    finding = report.find("name")
    assert f"there is no [tunnel plnat] in {plant}" in finding["text"]
    assert report.fixes("name")[0] == \
        ("run on this host", "culvert check plant")


def test_host_beside_a_file(plant, sshd, vsftpd, checker):
    """A name that is no tunnel is a host; with -f, the report notes that."""
    argv = "-F", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}", sshd.host
    report = checker("-f", plant, *argv)
    assert report.status == 0
    assert [one["check"] for one in report.checks
            if one["status"] == "note"] == ["tunnel"]


def test_options_of_a_tunnel(plant, checker):
    """Options beside the name of a tunnel are an error."""
    status, _, errors = checker.raw("-f", plant, "-p", "22", "plant")
    assert status == 2
    assert "[tunnel plant] has its options in" in errors
    assert checker.raw("-f", plant, "-q", "plant")[0] == 0


def test_wrong_file(checker, tmp):
    """A file that is named must be valid."""
    status, said, errors = checker.raw("-f", tmp / "nowhere", "plant")
    assert (status, said) == (1, "")
    assert "nowhere" in errors


# ---- the command line ----

def test_help(checker):
    """--help."""
    status, said, errors = checker.raw("--help")
    assert (status, errors) == (0, "")
    assert said.startswith("usage: culvert check ")
    assert "Exit status: 0 " in said


@pytest.mark.parametrize("argv, words", [
    ([], "no destination"),
    (["--nowhere", "host"], "unknown option --nowhere"),
    (["--netrc"], "--netrc needs a value"),
    (["--timeout", "0", "host"], "--timeout takes a number of seconds"),
    (["--timeout", "601", "host"], "--timeout takes a number of seconds"),
    (["-L", "x", "host"], "-L x: "),
    (["-oProxyCommand=none", "-eh", "host"], "unknown option -e"),
    (["--", "-host"], "must not begin with"),
    (["host", "another"], "only one destination"),
    (["--on-demand", "--link-wait", "0", "host"], "--on-demand needs clients"),
])
def test_bad_usage(argv, words, checker):
    """Exit status 2, and what is wrong."""
    status, said, errors = checker.raw(*argv)
    assert (status, said) == (2, "")
    assert words in errors
    assert errors.endswith("culvert: see culvert check --help\n")


def test_all_options_of_culvert(sshd, vsftpd, checker):
    """They are accepted and are in the suggested command."""
    report = checker(
        "--no-session", "--links", "2", "--no-confine", "--keepalive=60",
        "-vF", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}", "--user",
        "tester", "--json", sshd.host)
    assert report.status == 0
    # The sshd of Debian 13 sends small packets at once without a session.
    assert report.find("Nagle")["status"] == (
        "note" if openssh_version() < (10, 0) else "ok")
    assert report.json["command"] == (
        "culvert --no-session --links 2 --no-confine --keepalive 60 -v -F "
        f"{sshd.config} -L 0:127.0.0.1:{vsftpd.port} files.test")


# ---- what it prints ----

def test_text(sshd, vsftpd, checker):
    """A line for each step, and the two lines at the end."""
    status, said, errors = checker.raw(
        "-F", sshd.config, "-L", f"0:127.0.0.1:{vsftpd.port}", sshd.host)
    assert status == 0
    assert errors == ""
    for step in ("name", "TCP", "host key", "authentication", "key exchange",
                 "cipher", "Nagle", "listen", "connect", "remote forward",
                 "greeting", "FEAT", "TLS", "FTP login", "PASV", "EPSV",
                 "PORT", "EPRT", "address in 227", "round trip"):
        assert re.search(f"^ok +{step} ", said, re.M), (step, said)
    assert "\nTransfers will work.\n" in said
    assert f"    culvert -F {sshd.config} -L " in said
    assert "    restrict,port-forwarding," in said


def test_quiet(ns, sshd, checker):
    """-q: only what is wrong."""
    argv = "-q", "-F", sshd.config, "-L", f"0:127.0.0.1:{ns.free_port()}"
    status, said, _ = checker.raw(*argv, sshd.host)
    assert status == 1
    assert re.match(
        r"-L 0:127.0.0.1:\d+\nWRONG +connect +nothing listens", said)
    assert "\n      -> culvert's command line: -L 0:127.0.0.1:" in said


def test_full_output(sshd, checker):
    """Standard output that cannot be written is a failure."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [culvert.PROGRAM, "check", "--json", "-p", "1", "-F", sshd.config,
             "-o", "HostName=127.0.0.1", sshd.host], stdout=full,
            stderr=subprocess.PIPE, text=True,
            env=checker.environment(), timeout=20)
    assert done.returncode == 1
    assert "cannot write the report" in done.stderr


def test_shell_quotes(sshd, vsftpd, checker):
    """Words that a shell would split are quoted in the command."""
    report = checker("-F", sshd.config, "-o", "SetEnv=A='b c'", "-L",
                    f"*:0:127.0.0.1:{vsftpd.port}", "--allow", "127.0.0.0/8",
                    sshd.host)
    assert report.status == 0
    assert "-o 'SetEnv=A='\\''b c'\\''' -L '*:0:" in report.json["command"]


# ---- the command that is suggested ----

def test_what_has_failed_is_not_suggested(ns, sshd, vsftpd, checker):
    """In the command, a word in capitals stands for a value that failed."""
    closed, no_ssh = ns.free_port(), ns.free_port(ns.far4)
    ns.let_in(no_ssh)
    good = f"0:127.0.0.1:{vsftpd.port}"
    for argv, wrong, right in (
            (["-L", f"0:127.0.0.1:{closed}", sshd.host], f":{closed}",
             "-L 0:127.0.0.1:PORT "),
            (["-L", f"0:{ns.far4}:{sshd.port}", sshd.host], f":{sshd.port}",
             f"-L 0:{ns.far4}:PORT "),
            (["-L", "0:ftp.invalid:21", sshd.host], "ftp.invalid",
             "-L 0:ADDRESS:21 "),
            (["-L", good, "-p", no_ssh, sshd.host], f"{no_ssh}", "-p PORT "),
            (["-L", good, "gate.invalid"], "gate.invalid", " HOST")):
        report = checker("-F", sshd.config, *argv)
        assert report.status == 1
        command = report.json["command"]
        assert right in f"{command} " and wrong not in command, command


def test_mode_that_has_failed_is_not_suggested(sshd, start_server, checker):
    """Nor is a --server-mode suggested that the server refuses."""
    server = start_server("vsftpd", without=["PASV", "EPSV"])
    checker.netrc(server)
    argv = "-F", sshd.config, "-L", f"0:127.0.0.1:{server.port}", sshd.host
    report = checker("--server-mode", "passive", *argv)
    assert report.status == 1, report.brief()
    assert "--server-mode" not in report.json["command"]
    assert checker(*argv).status == 0


def test_words_in_capitals_are_explained(ns, sshd, checker):
    """The report explains the words in capitals."""
    status, said, _ = checker.raw("-F", sshd.config, "-L",
                                 f"0:127.0.0.1:{ns.free_port()}", sshd.host)
    assert status == 1
    assert "Once that is fixed, use this command; replace the words in " \
        "capitals:" in said


def test_address_in_use(ns, sshd, checker):
    """The address is in use on this host: a note, because it may be culvert.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        report = checker("-F", sshd.config, "-L",
                        f"{port}:127.0.0.1:{ns.free_port()}", sshd.host)
    finding = report.find("listen")
    assert finding["status"] == "note"
    assert "in use" in finding["text"]
