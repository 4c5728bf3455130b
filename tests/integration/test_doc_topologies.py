"""doc/topologies.md, done as it is printed.

Nothing of the document stands here a second time but the titles of its
sections, and where their clients and servers are.  On the four hosts of
topology.py, where the document's names resolve and alice has an account, each
section's key line and sshd_config go to sshd, its command is run, the ready
line compared, and its client's commands run, with more transfers behind them.
Then the same key tries what its line does not have.

A fenced block of the document is
    sh               a command: culvert's, or else those of an FTP client
    text             what culvert prints when it is ready
    console          a command that reads the password of the FTP user
    authorized_keys  one line, its key to be replaced
    sshd_config      lines for it; in a section without a command, for all
    (nothing)        a picture
"""

import contextlib
import re

import pytest

import documents_sftp
from documents import (  # noqa: F401
    FOR_ALL, KINDS, SECTIONS, TEXT, Client, FtpServer, Holder,
    PrintedCulvert, _world, check_least, network, world)
from documents import LEGS as FTP_LEGS

# pylint: disable=redefined-outer-name

LEGS = {**FTP_LEGS, **documents_sftp.LEGS}


@pytest.fixture
def start(request, world, directories):
    """Return a function that starts the culvert of a section."""
    def start(section):
        one = PrintedCulvert(world, section.commands[0], directories())
        request.node.culverts = [(one, 0)]
        return one
    return start


def clients(stack, world, title, number, directories):
    """Start the servers of a section; return its clients."""
    servers, found = {}, []
    for leg, commands in zip(LEGS[title], SECTIONS[title].client_commands):
        kind = Client
        if leg.server == "sftp":
            kind = documents_sftp.SftpClient
            servers[leg.server] = documents_sftp.SftpFiles(world, title)
            stack.callback(servers[leg.server].stop)
            stack.enter_context(documents_sftp.login_file(
                world, SECTIONS[title].texts("console")))
        elif leg.server not in servers:
            servers[leg.server] = FtpServer(
                world.topology.hosts[leg.server], leg, directories())
            stack.callback(servers[leg.server].stop)
        found.append(kind(world, leg, servers[leg.server], commands,
                          leg.modes[number]))
    return found


@pytest.mark.parametrize("title, number", [
    pytest.param(title, number, id=f"{title}-{number}")
    for title in LEGS for number in range(len(LEGS[title][0].modes))])
def test_section(world, start, directories, tmp, title, number):
    """A section with one of its keys, all as printed."""
    section = SECTIONS[title]
    line = section.texts("authorized_keys")[number]
    world.authorize(line)
    with contextlib.ExitStack() as stack:
        stack.enter_context(network(world.topology, section))
        found = clients(stack, world, title, number, directories)
        sshd = stack.enter_context(world.sshd(
            *FOR_ALL, *section.texts("sshd_config")))
        with start(section).running(section.texts("text")[0]):
            for client in found:
                client.use(tmp)
        if title in FTP_LEGS:
            check_least(world, sshd, line, section.words[-1])
        else:
            documents_sftp.check_sftp_only(world, sshd, section.words[-1])


@pytest.mark.parametrize("title", [
    title for title in LEGS if "-R" in SECTIONS[title].words
    and SECTIONS[title].texts("sshd_config")])
def test_gateway_ports_forgotten(world, start, title):
    """culvert detects it, with the key as printed."""
    section = SECTIONS[title]
    world.authorize(section.texts("authorized_keys")[0])
    with world.sshd(*FOR_ALL):
        one = start(section)
        try:
            assert one.process.wait() == 1, one.output
            assert "GatewayPorts" in one.output
            assert "listening on" not in one.output
            one.check_nothing_left()
        finally:
            one.kill()


# "What sshd compares": the options; what they deny; what they do not.
COMPARED = [
    ('permitopen="localhost:*"',
     ["127.0.0.1:22", "::1:22"], ["localhost:22"]),
    ('permitopen="ftp.plant:*"', ["203.0.113.4:21"], ["ftp.plant:4711"]),
    ('permitopen="127.0.0.*:*"', ["127.0.0.1:22"], []),
    ('permitopen="[::1]:*"', ["localhost:22"], ["::1:22"]),
    ('permitlisten="203.0.113.*:*"', ["-R localhost:0"],
     ["-R 203.0.113.3:0", "ftp.plant:21"]),
    ('permitlisten="2222"', ["-R localhost:0", "-R localhost:2223"],
     ["-R localhost:2222", "-R 203.0.113.3:2222", "-R :2222"]),
    ('permitlisten="localhost:2222"',
     ["-R localhost:0", "-R 127.0.0.1:2222"], ["-R localhost:2222"]),
    ('permitlisten=":*"', ["-R localhost:0", "-R 0.0.0.0:0"], ["-R :0"]),
    ('permitopen="localhost:1"', ["localhost:22"],
     ["-R localhost:0", "-R 203.0.113.3:0"]),
]

UNREADABLE = ['permitlisten="none"', 'permitlisten="localhost:0"',
              'permitopen="none"', 'permitopen="22"', 'permitopen="::1:*"']


def split(words):
    """Return (host, port) pairs: of permitopen, and of permitlisten."""
    pairs = {False: [], True: []}
    for word in words:
        host, _, port = word.removeprefix("-R ").rpartition(":")
        pairs[word.startswith("-R ")].append((host, int(port)))
    return pairs[False], pairs[True]


def test_what_sshd_compares(world):
    """The statements of that section."""
    with world.sshd("Match User alice",
                    "GatewayPorts clientspecified") as sshd:
        for options, denied, others in COMPARED:
            world.authorize(f"restrict,port-forwarding,{options}")
            with Holder(world, sshd, "alice@files.example.com") as holder:
                assert holder.denied(*split(denied + others)) \
                    == split(denied), options
        for options in UNREADABLE:
            world.authorize(f"restrict,port-forwarding,{options}")
            with Holder(world, sshd, "alice@files.example.com") as holder:
                assert not holder.logged_in, options


@pytest.mark.parametrize("lines, made", [(FOR_ALL, False), ([], True)],
                         ids=["as printed", "without"])
def test_unix_sockets(world, lines, made):
    """permitlisten does not cover them; the lines for all sections do."""
    world.authorize('restrict,port-forwarding,permitlisten="localhost:1"')
    path = world.alice / "socket"
    with world.sshd(*lines) as sshd:
        with Holder(world, sshd, "alice@files.example.com") as holder:
            holder.ssh(f"-O forward -R {path}:localhost:9 DEST")
            assert path.exists() == made


# ---- the document itself ----

def test_all_of_it_is_tested():
    """Each block is run or compared by a test above."""
    assert set(LEGS) == {one.title for one in SECTIONS.values()
                         if one.texts("sh") or one.texts("text")
                         or one.texts("authorized_keys")}
    for section in SECTIONS.values():
        assert {kind for kind, _ in section.blocks} <= KINDS, section.title
    for title, legs in LEGS.items():
        section = SECTIONS[title]
        assert len(section.commands) == len(section.texts("text")) == 1, title
        assert len(section.client_commands) == len(legs), title
        for leg in legs:
            assert len(leg.modes) == len(section.texts("authorized_keys"))
    assert len(SECTIONS) == len(re.findall("^#+ ", TEXT, re.MULTILINE)) + 1
    assert not re.search("`culvert [^`]*-[LR] ", TEXT), \
        "a command that is not in a block"


def test_key_lines_are_whole():
    """Each can be copied and is complete."""
    for title in FTP_LEGS:
        for line in SECTIONS[title].texts("authorized_keys"):
            assert re.fullmatch(
                r'restrict,port-forwarding,command="/bin/false"'
                r'(,permitopen="[^"]+")+(,permitlisten="[^"]+")+'
                r" ssh-ed25519 AAAA\.\.\. culvert", line), line


def test_links():
    """Each link has a heading."""
    names = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
             for title in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= names
