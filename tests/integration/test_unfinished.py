"""Replies of several lines that never end, and clients that go on."""

import ftplib
import subprocess

import pytest

import scripted
from process import FAILSAFE
from transfer import modes

# Without the last line of RFC 959, "211 ".
SHAPES = {
    "none": ["211-none"],
    "no-blank": ["211-a", "211End"],
    "hyphen": ["211-a", "211-End"],
    "tab": ["211-a", "211\tEnd"],
    "indented": ["211-a", " 211 End"],
    "another-code": ["211-a", "200 End"],
}


def say_unfinished(one, lines):
    """A command, and a reply to it that does not end."""
    one.command("STAT")
    one.server.reply(*lines)
    for line in lines:
        one.client.expect_bytes(f"{line}\r\n".encode())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_next_transfers_go_through_ssh(shape, pair):
    """After an unfinished reply, PASV and PORT are still rewritten."""
    one = pair()
    for mode in "passive", "active":
        say_unfinished(one, SHAPES[shape])
        one.transfer(*one.data(mode))
    one.goes_on()


@pytest.mark.parametrize("first", ["150-begins", "553-a dupe"])
@modes
def test_an_upload_that_was_reset_is_not_told_226(mode, first, pair):
    """Its first reply does not end; the client still gets 426."""
    one = pair()
    mine, theirs = one.begin(mode, "STOR file")
    one.server.reply(first)
    one.client.expect_bytes(f"{first}\r\n".encode())
    if first.startswith("553"):
        one.say("150 go")
    mine.send_to(theirs, b"half of it")
    mine.reset()
    one.server.expect_command("ABOR")
    one.server.reply("226 stored")
    one.client.expect("426 ")
    one.server.reply("226 aborted")
    theirs.close()
    one.goes_on()


def test_a_226_within_an_unfinished_150_waits_for_the_data(pair):
    """The client gets it after the last byte."""
    one = pair()
    mine, theirs = one.begin("passive", "RETR file")
    one.server.reply("150-begins")
    one.client.expect_bytes(b"150-begins\r\n")
    theirs.send(b"first")
    one.server.reply("226 done")
    mine.expect_bytes(b"first")
    theirs.send(b"last")
    theirs.close()
    assert mine.read_all() == b"last"
    one.client.expect("226 done\r\n")
    one.goes_on()


def test_a_slow_reply_and_a_client_that_does_not_wait(pair):
    """A line that looks like a reply within a reply is none: the end comes."""
    one = pair()
    one.command("STAT")
    one.server.reply("211-Status")
    one.client.expect_bytes(b"211-Status\r\n")
    one.command("NOOP")
    one.server.reply("200 files", "211-more")
    one.server.reply("211 End")
    one.server.reply("200 nothing done")
    one.client.expect_bytes(b"200 files\r\n211-more\r\n211 End\r\n")
    one.client.expect("200 nothing done\r\n")
    one.transfer(*one.data("passive"))


# For clients that take any code and a blank for the end, and for one that takes
# the same code without a hyphen.
ANY_CODE = {"CWD": ["250-a message", "200 End"], "RETR": ["553-no", "150 go"],
            "TYPE": ["200-a", "250 binary"]}
SAME_CODE = {verb: [f"{code}-a", f"{code}End"] for verb, code in (
    ("USER", 331), ("PASS", 230), ("CWD", 250), ("TYPE", 200), ("RETR", 150),
    ("QUIT", 221))}
REPLIES = {"USER": ["331 password"], "PASS": ["230 welcome"],
           "PWD": ['257 "/"'], "CWD": ["250 in"], "TYPE": ["200 ok"],
           "QUIT": ["221 bye"], "RETR": ["150 go"]}


def serve(listener, data_port, content, own):
    """Play a server that has replies of its own, for one session."""
    replies = {**REPLIES, **own,
               "PASV": [f"227 Passive ({data_port.port_argument()})"]}
    with listener.accept() as control:
        control.reply("220 hello")
        while line := control._line():
            verb = line.split()[0].upper()
            control.reply(*replies.get(verb, ["500 what"]))
            if verb == "RETR":
                with data_port.accept() as data:
                    data.send(content)
                control.reply("226 done")


def fetch_by_program(argv, port):
    """Return what curl or wget has fetched."""
    done = subprocess.run([*argv, f"ftp://u:p@127.0.0.1:{port}/d/file"],
                          capture_output=True, timeout=FAILSAFE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetch_by_ftplib(port):
    """Return what ftplib has fetched."""
    parts = []
    with ftplib.FTP(timeout=FAILSAFE) as ftp:
        ftp.connect("127.0.0.1", port)
        ftp.login("u", "p")
        ftp.cwd("d")
        ftp.retrbinary("RETR file", parts.append)
    return b"".join(parts)


@pytest.mark.parametrize("client", ["curl", "wget", "ftplib"])
def test_lenient_clients_fetch_a_file(client, ns, start_culvert):
    """From a server whose replies do not end, by the clients that accept that.
    """
    content = b"content" * 1000
    own = SAME_CODE if client == "ftplib" else ANY_CODE
    with scripted.server(ns) as listener, scripted.Listener(ns) as data:
        culvert = start_culvert(f"127.0.0.1:0:127.0.0.1:{listener.port}")
        future = scripted.start(serve, listener, data, content, own)
        if client == "curl":
            got = fetch_by_program(["curl", "-sS"], culvert.port)
        elif client == "wget":
            got = fetch_by_program(["wget", "-qO-", "-t1"], culvert.port)
        else:
            got = fetch_by_ftplib(culvert.port)
        assert got == content
        future.result(FAILSAFE)
