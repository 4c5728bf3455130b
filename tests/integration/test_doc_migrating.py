"""doc/migrating.md, done as it is printed.

On the hosts of documents.py.  A section's configuration becomes
root's own, each of its culverts is started, its ready lines are compared, and
the commands of its FTP clients are run through it.

A fenced block of the document is
    sh               a command: culvert's, ssh's, ssh-keygen's, or those of an
                     FTP client
    text             what the culvert before it prints when it is ready
    conf             culvert.conf
    authorized_keys  one line, its key to be replaced
    vsftpd           lines for the FTP server's configuration
    tectia, xml, stunnel
                     what was before, and is not run
"""

import contextlib
import json
import re
import subprocess
import xml.etree.ElementTree as xml

import pytest

from clients import make_file
from culvert import PROGRAM, REPO
from culvert import said as culvert_said
import documents_sftp
from documents import (  # noqa: F401
    OWN, Client, FtpServer, Leg, PrintedCulvert, _world, parse, world)
from process import FAILSAFE, Process, until

# pylint: disable=redefined-outer-name

TEXT = (REPO / "doc/migrating.md").read_text()
SECTIONS = {section.title: section for section in parse(TEXT)}

KINDS = {"sh", "text", "conf", "authorized_keys", "vsftpd"}
NOT_RUN = {"tectia", "xml", "stunnel"}

FAR = Leg("far", "near_end")
LEGS = {
    "From plain FTP": [Leg(**OWN)],
    "From ssh -L": [Leg(**OWN)],
    "sshg3 -L": [Leg(**OWN)],
    "sshg3 -R": [FAR],
    "Profiles and static tunnels":
        [Leg(**OWN), FAR, Leg("near", "far_end", modes=("passive",))],
    "From stunnel or FTPS": [Leg(**OWN)],
    "From plain FTP to SFTP": [documents_sftp.LEG],
    "FTP-SFTP conversion": [documents_sftp.LEG],
}

# Of sections that print none; doc/topologies.md has them.
KEY = "restrict,port-forwarding ssh-ed25519 AAAA... culvert"


def starts(text, program):
    """Return whether that block runs the program."""
    return text.split()[0] == program


def culverts(section):
    """Return how culvert is started, and what it says: [(sh, text), ...]."""
    blocks = section.blocks
    return [(text, blocks[i + 1][1]) for i, (kind, text) in enumerate(blocks)
            if kind == "sh" and starts(text, "culvert")]


def clients(section):
    """Return the commands of its FTP clients."""
    return [text for text in section.texts("sh") if starts(text, "curl")]


class TlsServer(FtpServer):
    """vsftpd with TLS, which it insists on but for those lines."""

    def __init__(self, host, leg, directory, lines):
        self._tls = [
            "ssl_enable=YES", f"rsa_cert_file={directory}/cert.pem",
            f"rsa_private_key_file={directory}/key.pem", *lines]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-subj", "/CN=files.example.com", "-days", "2", "-keyout",
             directory / "key.pem", "-out", directory / "cert.pem"],
            check=True, capture_output=True)
        super().__init__(host, leg, directory)

    def _prepare_vsftpd(self):
        self.lines = [*self.lines, *self._tls]
        return super()._prepare_vsftpd()


def start_servers(stack, world, title, directories):
    """Start the servers of a section; return its clients."""
    section, found = SECTIONS[title], []
    for leg, commands in zip(LEGS[title], clients(section)):
        if leg.server == "sftp":
            server = documents_sftp.SftpFiles(world, title)
            stack.callback(server.stop)
            found.append(documents_sftp.SftpClient(
                world, leg, server, commands, leg.modes[0]))
            continue
        host, directory = world.topology.hosts[leg.server], directories()
        lines = section.texts("vsftpd")
        if lines:
            server = TlsServer(host, leg, directory, lines)
        else:
            server = FtpServer(host, leg, directory)
        stack.callback(server.stop)
        found.append(Client(world, leg, server, commands, leg.modes[0]))
    return found


@pytest.fixture
def configured(world):
    """Return a function that makes a section's configuration root's own."""
    directory = world.root / ".config/culvert"

    def configure(section):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "culvert.conf").write_text(
            "\n".join(section.texts("conf")))
        world.authorize((section.texts("authorized_keys") or [KEY])[0])

    yield configure
    (directory / "culvert.conf").unlink(missing_ok=True)


class Started(PrintedCulvert):
    """One whose listeners come in any order."""

    @contextlib.contextmanager
    def running(self, ready):
        """Wait for the lines that it prints, and stop it in the end."""
        try:
            for line in ready.splitlines():
                self.process.wait_line(re.escape(line) + "$")
            assert sorted(culvert_said(self.output).splitlines()) \
                == sorted(ready.splitlines())
            yield
            self.stop()
        finally:
            self.kill()


def number_of_culverts(title):
    """How often a section starts one."""
    return len(culverts(SECTIONS[title]))


@pytest.mark.parametrize("title, number", [
    pytest.param(title, number, id=f"{title}-{number}")
    for title in LEGS for number in range(number_of_culverts(title))])
def test_section(request, world, configured, directories, tmp, title, number):
    """A section with one of its culvert commands, as printed."""
    section = SECTIONS[title]
    configured(section)
    command, ready = culverts(section)[number]
    with contextlib.ExitStack() as stack:
        found = start_servers(stack, world, title, directories)
        stack.enter_context(world.sshd())
        one = Started(world, command, directories())
        request.node.culverts = [(one, 0)]
        with one.running(ready):
            for client in found:
                client.run_printed(tmp)


def test_addresses(request, world, configured, directories, tmp):
    """Which address the server's log has, and which culvert's."""
    section = SECTIONS["From plain FTP"]
    leg, = LEGS[section.title]
    configured(section)
    command, ready = culverts(section)[0]
    with contextlib.ExitStack() as stack:
        server = FtpServer(world.topology.far, leg, directories())
        stack.callback(server.stop)
        stack.enter_context(world.sshd())
        one = PrintedCulvert(
            world, f"{command} -v --transfer-log {tmp}/log", directories())
        request.node.culverts = [(one, 0)]
        client = Client(world, leg, server, clients(section)[0], "same")
        try:
            one.process.wait_line(re.escape(ready) + "$")
            client.run_printed(tmp)
            one.stop()
        finally:
            one.kill()
    seen = re.findall('OK LOGIN: Client "([^"]*)"',
                      (server.dir / "log").read_text())
    assert seen and set(seen) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(re.findall(r"control connection from 127\.0\.0\.1:",
                          one.output)) == 2
    assert [json.loads(line)["client"].rsplit(":", 1)[0]
            for line in open(tmp / "log")] \
        == ["127.0.0.1"] * 2


@pytest.mark.parametrize("title", [title for title in LEGS
                                   if SECTIONS[title].texts("conf")])
def test_configuration(world, configured, title):
    """Each file passes culvert config --test."""
    configured(SECTIONS[title])
    done = world.run("near", "culvert config --test")
    assert done.returncode == 0, done.stdout


# ---- from ssh -L ----

def test_ssh(world, configured, directories, tmp):
    """The text about ssh -L: a login, and no file in either mode."""
    section = SECTIONS["From ssh -L"]
    configured(section)
    old, = (text for text in section.texts("sh") if starts(text, "ssh"))
    with contextlib.ExitStack() as stack:
        start_servers(stack, world, section.title, directories)
        stack.enter_context(world.sshd())
        relay = Process(world.argv("near", ["bash", "-c", old]), "ssh",
                        env=world.env)
        stack.callback(relay.stop)
        until(lambda: world.topology.near.listening(2121), "ssh listens")
        make_file(tmp / "orders.csv", 4096)
        for line in clients(section)[0].splitlines():
            done = world.run("near", f"{line} -sS -v -m {FAILSAFE}", tmp)
            assert "230 " in done.stdout, done.stdout
            assert done.returncode != 0, done.stdout
            assert " 226 " not in done.stdout
        assert not (tmp / "report.csv").exists()


def test_options_of_ssh():
    """The options that the table lists as missing, and as present."""
    table = [line for line in TEXT.splitlines() if line.startswith("| `-")]
    gone, same = set(), set()
    for line in table:
        old, new = line.strip("| ").split(" | ", 1)
        options = set(re.findall(r"(?<![\w-])-[A-Za-z0-9](?= |`)", old))
        if new.startswith("not available"):
            gone |= options
        elif new.startswith("the same") and "/" not in old:
            same |= options
    assert gone == {"-N", "-T", "-n", "-A", "-D", "-W", "-X", "-Y"}
    assert same == set("-L -R -F -i -J -l -p -o -c -4 -6 -f -q -v".split())
    for option in gone:
        done = subprocess.run([PROGRAM, option, "host"], text=True,
                              capture_output=True)
        assert f"unknown option {option}" in done.stderr
    said = subprocess.run([PROGRAM, "--help"], text=True, check=True,
                          capture_output=True).stdout
    for option in same:
        assert re.search(rf"^ .*{option}\b", said, re.MULTILINE), option


# ---- from Tectia ----

def test_profile():
    """The XML and the configuration beside it mean the same."""
    section = SECTIONS["Profiles and static tunnels"]
    root = xml.fromstring(section.texts("xml")[0])
    profile = root.find("profiles/profile")

    def spec(tunnel):
        assert tunnel.get("type") == "ftp"
        return ":".join(tunnel.get(key) for key in (
            "listen-port", "dst-host", "dst-port"))

    to = f"destination = {profile.get('user')}@{profile.get('host')}\n" \
         f"p = {profile.get('port')}\n"
    static = root.find("static-tunnels/tunnel")
    assert static.get("profile") == profile.get("id")
    assert section.texts("conf") == [
        f"[tunnel {profile.get('name')}]\n{to}"
        f"L = {spec(profile.find('tunnels/local-tunnel'))}\n"
        f"R = {spec(profile.find('tunnels/remote-tunnel'))}\n\n"
        f"[tunnel {profile.get('name')}-static]\n{to}"
        f"L = {spec(static)}\non-demand = yes"]


def test_host_key(world, tmp):
    """A key in that format is converted."""
    command, = (text for text in SECTIONS["Profiles and static tunnels"].texts(
        "sh") if starts(text, "ssh-keygen"))
    old = world.run("near", f"ssh-keygen -e -f {world.dir}/host_key.pub")
    assert old.stdout.startswith("---- BEGIN SSH2 PUBLIC KEY")
    (tmp / "hostkey.pub").write_text(old.stdout)
    new = world.run("near", command, tmp)
    assert new.stdout.split() \
        == (world.dir / "host_key.pub").read_text().split()[:2]


@pytest.mark.parametrize("title", ["sshg3 -L", "sshg3 -R"])
def test_sshg3(title):
    """The argument is the same."""
    section = SECTIONS[title]
    old = section.texts("tectia")[0]
    assert culverts(section)[0][0] == old.replace("sshg3", "culvert")
    assert old.split()[2] in section.texts("conf")[0]


# ---- from FTPS ----

@pytest.mark.parametrize("lines", [True, False], ids=["as printed", "without"])
def test_tls(request, world, configured, directories, tmp, lines):
    """The text about servers and clients that require TLS."""
    section = SECTIONS["From stunnel or FTPS"]
    configured(section)
    command, ready = culverts(section)[0]
    with contextlib.ExitStack() as stack:
        server = TlsServer(world.topology.far, LEGS[section.title][0],
                           directories(),
                           section.texts("vsftpd") if lines else [])
        stack.callback(server.stop)
        stack.enter_context(world.sshd())
        one = Started(world, command, directories())
        request.node.culverts = [(one, 0)]
        make_file(server.root / "report.csv", 4096)
        download = clients(section)[0].splitlines()[0]
        with one.running(ready):
            for option, good in (("", lines), ("--ssl", lines),
                                 ("--ssl-reqd", False)):
                done = world.run("near", f"{download} -sS -v {option}", tmp)
                assert (done.returncode == 0) == good, done.stdout
                assert (" 534 " in done.stdout) == (option != "")


# ---- the document itself ----

def test_all_of_it_is_tested():
    """Each block is run or compared by a test above."""
    assert set(LEGS) == {one.title for one in SECTIONS.values()
                         if {"sh", "text", "conf"}
                         & {kind for kind, _ in one.blocks}}
    for section in SECTIONS.values():
        assert {kind for kind, _ in section.blocks} <= KINDS | NOT_RUN
    for title, legs in LEGS.items():
        section = SECTIONS[title]
        assert len(clients(section)) == len(legs), title
        assert len(section.texts("conf")) == 1, title
        assert len(culverts(section)) == len(section.texts("text"))
        assert {text.split()[0] for text in section.texts("sh")} \
            <= {"culvert", "curl", "ssh", "ssh-keygen"}
    assert not re.search("`culvert [^`]*-[LR] ", TEXT), \
        "a command that is not in a block"


def test_links():
    """Each link has a heading, here or in topologies.md."""
    def names(text):
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                for title in re.findall("^#+ (.*)$", text, re.MULTILINE)}
    other = (REPO / "doc/topologies.md").read_text()
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= names(TEXT)
    assert set(re.findall(r"\]\(topologies.md#([^)]*)\)", TEXT)) \
        <= names(other)
