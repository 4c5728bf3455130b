"""The control connection: which bytes pass, in which order, whose reply."""

import pytest

import scripted
from clients import Target
from sessions import quiet, within
from scripted import NEAR, Listener, announcement
from servers import ALL_KINDS, KINDS
from transfer import Ftp, replies_until

TLS_HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff"


# Multi-line replies.

def test_multi_line_replies(pair):
    """Inner lines can have any content; the code and a blank end it."""
    one = pair()
    one.passive()  # known to work, a 227 of several lines passes as it is
    far = one.listen(one.ns)
    text = (b"211-Status\r\n"
            b"227 Entering Passive Mode (1,2,3,4,5,6)\r\n"
            b"211-again\r\n"
            b" 211 not the end\r\n"
            b"2110 nor this\r\n"
            b"229 (|||99|)\r\n"
            b"\r\n"
            b"221-\xff\xfe\r\n"
            b"211 End\r\n")
    one.client.command("STAT", "PASV")
    one.server.expect_command("STAT")
    one.server.expect_command("PASV")
    one.server.send(text)
    one.client.expect_bytes(text)
    one.server.reply("227-227 (1,2,3,4)", " inside",
                     f"227 ({far.port_argument()})")
    reply = one.client.expect("227-227 (1,2,3,4)\r\n inside\r\n227 (")
    with one.dial(scripted.parse_port(reply.splitlines()[2])) as mine:
        mine.send(b"x")
        far.accept().expect_bytes(b"x")
    one.goes_on()


def test_multi_line_greeting_and_transfer_replies(pair):
    """A greeting, a 150 and a 226 of several lines."""
    one = pair(log_in=False)
    one.server.reply("220-hello", "227 (1,2,3,4,5,6)", "220 there")
    one.client.expect("220-hello\r\n227 (1,2,3,4,5,6)\r\n220 there\r\n")
    listener, to = one.passive()
    mine, theirs = one.dial(to), one.keep(listener.accept())
    one.command("RETR file")
    one.server.reply("150-it", "226 is not over", "150 comes")
    one.client.expect("150-it\r\n226 is not over\r\n150 comes\r\n")
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    one.server.reply("226-it", "425 was", "226 all")
    one.client.expect("226-it\r\n425 was\r\n226 all\r\n")
    one.goes_on()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_what_a_server_says_is_what_the_client_reads(
        kind, target, server, ns):
    """HELP, HELP SITE and an unknown command, byte for byte."""
    one = server(kind)
    direct = Target(one.address, one.port, one.user, one.password)
    said = []
    with Ftp(target(kind)) as near, \
            scripted.client(direct.host, direct.port, side=ns) as far:
        far.expect("220")
        far.command(f"USER {one.user}", f"PASS {one.password}")
        replies_until(far, "230")
        for control in near, far:
            control.command("HELP", "HELP SITE", "XYZZY", "SYST", "PWD")
            said.append(replies_until(control, "257"))
    assert said[0] == said[1]


# Replies are matched to commands by order.

def test_pipelined_commands(pair):
    """lftp's SIZE, MDTM, PASV, RETR in one segment; replies in another."""
    one = pair()
    far = one.listen(one.ns)
    commands = "SIZE a", "MDTM a", "PASV", "RETR a"
    one.client.command(*commands)
    for command in commands:
        one.server.expect_command(command)
    one.server.reply("213 7", "550 no", f"227 ({far.port_argument()})",
                     "150 go")
    one.client.expect("213 7\r\n")
    one.client.expect("550 no\r\n")
    mine = one.dial(scripted.parse_port(one.client.expect("227 (")))
    theirs = one.keep(far.accept())
    one.client.expect("150 go\r\n")
    theirs.send(b"content")
    theirs.close()
    one.server.reply("226 done")
    assert mine.read_all() == b"content"
    one.client.expect("226 done\r\n")
    one.goes_on()


def test_a_227_is_rewritten_because_it_answers_pasv(pair):
    """227 and 229 to other commands pass as they are."""
    one = pair()
    for reply in ("227 Entering Passive Mode (127,0,0,1,4,5)",
                  "229 (|||1029|)"):
        one.exchange("SITE WHERE", reply)
    one.client.command("SYST", "PASV", "NOOP")
    for command in "SYST", "PASV", "NOOP":
        one.server.expect_command(command)
    far = one.listen(one.ns)
    one.server.reply("215 227 (1,2,3,4,5,6)", f"227 ({far.port_argument()})",
                     "200 227 (1,2,3,4,5,6)")
    one.client.expect("215 227 (1,2,3,4,5,6)\r\n")
    to = scripted.parse_port(one.client.expect("227 ("))
    one.client.expect("200 227 (1,2,3,4,5,6)\r\n")
    assert to[1] != far.port
    with one.dial(to) as mine, far.accept() as theirs:
        mine.send_to(theirs, b"x")


def test_the_client_speaks_first(pair):
    """FEAT before the 220 (lftp)."""
    one = pair(log_in=False)
    one.client.command("FEAT", "USER tester")
    one.server.expect_command("FEAT")
    one.server.expect_command("USER tester")
    one.server.reply("220 scripted", "500 no", "230 in")
    for reply in "220 scripted", "500 no", "230 in":
        one.client.expect(f"{reply}\r\n")
    mine, theirs = one.data("passive")
    theirs.send_to(mine, b"x")


def test_an_unasked_421_ends_no_command(pair):
    """It passes, and the reply to the command is still matched."""
    one = pair()
    far = one.listen(one.ns)
    one.command("PASV")
    one.server.reply("421 going down in 5 minutes",
                     f"227 ({far.port_argument()})")
    one.client.expect("421 going down in 5 minutes\r\n")
    to = scripted.parse_port(one.client.expect("227 ("))
    assert to[1] != far.port


def test_replies_twice_and_out_of_order(pair):
    """One reply too many does not affect those that follow."""
    one = pair()
    one.exchange("NOOP", "200 in step")
    one.say("200 again")
    for _ in range(2):
        mine, theirs = one.data("passive")
        theirs.close()
        mine.expect_end()
        one.server.reply("226 done", "226 done again")
        one.client.expect("226 done\r\n")
        one.client.expect("226 done again\r\n")
    # NOOP is answered before the end of the transfer that precedes it.
    mine, theirs = one.data("passive")
    one.client.command("NOOP", "PASV")
    one.server.expect_command("NOOP")
    one.answer("PASV", "200 alive")
    theirs.send(b"content")
    theirs.close()
    assert mine.read_all() == b"content"
    far = one.listen(one.ns)
    one.server.reply("226 done", f"227 ({far.port_argument()})")
    one.client.expect("226 done\r\n")
    assert scripted.parse_port(one.client.expect("227 ("))[1] != far.port
    one.goes_on()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_pipelined_commands_and_real_servers(kind, target, folder):
    """SIZE, MDTM, PASV, RETR at once; PASV, CWD, MLSD; PORT, RETR."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content" * 1000)
    with Ftp(target(kind)) as control:
        control.command(f"SIZE {name}/file", f"MDTM {name}/file", "PASV",
                        f"RETR {name}/file")
        control.expect("213 7000")
        control.expect("213 20")
        with scripted.dial(*scripted.parse_port(control.expect("227"))) \
                as data:
            control.expect("1")
            assert data.read_all() == b"content" * 1000
        control.expect("226")

        control.command("PASV", f"CWD {name}", "NLST")
        to = scripted.parse_port(control.expect("227"))
        control.expect("250")
        with scripted.dial(*to) as data:
            control.expect("1")
            assert b"file" in data.read_all()
        control.expect("226")

        with Listener(NEAR) as listener:
            # For pure-ftpd a command during a transfer is unknown.
            behind = [] if kind == "pure-ftpd" else ["PWD"]
            control.command(announcement(listener), "RETR file", *behind)
            with listener.accept() as data:
                assert data.read_all() == b"content" * 1000
        codes = [control.read_reply()[:3] for _ in range(3 + len(behind))]
        if not behind:
            control.command("PWD")
            codes.append(control.read_reply()[:3])
        # pyftpdlib answers PORT when it has connected, and RETR before.
        if kind == "pyftpdlib":
            codes.sort(key=["200", "125", "150", "226", "257"].index)
        assert codes in (["200", "150", "226", "257"],
                         ["200", "125", "226", "257"])
        control.exchange("NOOP", "200")


# Whole lines in one write.

def test_a_line_that_comes_in_bytes_leaves_in_one_write(pair):
    """Commands, PORT too, reach the server in one segment each."""
    one = pair()
    listener = one.listen(NEAR)
    for line in b"SITE some words\r\n", announcement(listener).encode() \
            + b"\r\n":
        one.client.send_bytes_singly(line)
        got = one.server.sock.recv(1 << 16)
        assert got.endswith(b"\r\n") and got[:5] == line[:5], got
        one.say("200 noted")


@pytest.mark.parametrize("command", ["PASV", "EPSV"])
def test_a_reply_that_comes_in_bytes(command, pair):
    """A 227 or 229 byte by byte is rewritten, and leaves in one write."""
    one = pair()
    far = one.listen(one.ns)
    reply = (f"227 Entering Passive Mode ({far.port_argument()})\r\n"
             if command == "PASV" else f"229 (|||{far.port}|)\r\n").encode()
    one.command(command)
    one.server.send_bytes_singly(reply)
    got = one.client.sock.recv(1 << 16).decode()
    assert got.endswith("\r\n")
    to = scripted.parse_port(got) if command == "PASV" else \
        ("127.0.0.1", scripted.parse_epsv(got))
    with one.dial(to) as mine, far.accept() as theirs:
        mine.send_to(theirs, b"x")


def test_a_227_split_anywhere(pair):
    """In two pieces, split at every position."""
    one = pair()
    far = one.listen(one.ns)
    reply = f"227 ({far.port_argument()})\r\n".encode()
    for at in range(1, len(reply)):
        one.command("PASV")
        one.server.send_pieces(reply[:at], reply[at:])
        got = one.client.expect("227 (127,0,0,1,")
        assert got.endswith(")\r\n")
        assert scripted.parse_port(got)[1] != far.port
        far.accept().close()


@pytest.mark.parametrize("kind", KINDS)
def test_real_servers_and_lines_in_bytes(kind, target, folder):
    """A login and a transfer whose commands come byte by byte."""
    _, name = folder(kind)
    to = target(kind)
    with scripted.client(to.host, to.port) as control:
        control.expect("220")
        for command, code in ((f"USER {to.user}", "331"),
                              (f"PASS {to.password}", "230"),
                              (f"CWD {name}", "250"), ("PASV", "227")):
            control.send_bytes_singly(f"{command}\r\n".encode())
            reply = control.expect(code)
        with scripted.dial(*scripted.parse_port(reply)) as data:
            control.send_bytes_singly(b"STOR file\r\n")
            control.expect("1")
            data.half_close()
            control.expect("226")


# AUTH.

def test_auth_is_refused_and_the_session_goes_on(pair):
    """culvert answers 534, in its turn; the server does not see AUTH."""
    one = pair()
    one.client.command("AUTH TLS", "AUTH SSL", "PWD")
    one.server.expect_command("PWD")
    one.client.expect("534")
    one.client.expect("534")
    one.server.reply('257 "/"')
    one.client.expect("257")
    one.command("FEAT")
    one.server.reply("211-Features", " AUTH TLS", " UTF8", " PBSZ", " PROT",
                     " SIZE", "211 End")
    one.client.expect("211-Features\r\n UTF8\r\n SIZE\r\n211 End\r\n")
    one.goes_on()


@pytest.mark.parametrize("reply", ["234 go", "334 more", "335 more"])
def test_opaque_after_auth(reply, session):
    """With --allow-tls the session stays opaque, also after CCC."""
    one = session(options=["--allow-tls"])
    client, server = one
    # A ClientHello may sit right behind the command.
    client.send(b"AUTH TLS\r\n" + TLS_HELLO)
    server.expect_command("AUTH TLS")
    server.reply(reply)
    client.expect(f"{reply}\r\n")
    server.expect_bytes(TLS_HELLO)
    server.send(TLS_HELLO[::-1])
    client.expect_bytes(TLS_HELLO[::-1])
    client.command("CCC")
    server.expect_command("CCC")
    server.reply("200 clear")
    client.expect("200 clear\r\n")
    for line in b"PORT 1,2,3,4,5,6\r\n", b"PASV\r\n", b"half a line":
        client.send_to(server, line)
    server.reply("227 (127,0,0,1,4,5)")
    client.expect("227 (127,0,0,1,4,5)\r\n")


def test_auth_that_the_server_refuses(session):
    """With --allow-tls a 5xx changes nothing; commands behind AUTH wait."""
    one = session(options=["--allow-tls"])
    client, server = one
    with Listener(one.ns) as far:
        client.command("AUTH TLS", "PASV")
        server.expect_command("AUTH TLS")
        assert quiet(server), "commands wait for the answer"
        server.reply("502 no")
        client.expect("502 no\r\n")
        server.expect_command("PASV")
        server.reply(f"227 ({far.port_argument()})")
        to = scripted.parse_port(client.expect("227 ("))
        assert to[1] != far.port


# Names and odd bytes.

def test_lines_pass_byte_for_byte(pair):
    """Names with host-ports, any character set, NUL, CR, IAC, bare LF."""
    one = pair()
    lines = [
        b"STAT PORT 1,2,3,4,5,6\r\n", b"MKD PASV\r\n", b"DELE EPSV ALL_KINDS\r\n",
        b"CWD \xc3\xbcber/\xe2\x82\xac\r\n", b"CWD \xfcber\r\n",
        b"DELE a\0b\r\n", b"DELE a\rb\r\n", b"DELE a\r\0b\r\n",
        b"DELE \xff\xffname\r\n", b"NOOP\n", b"\r\n",
        b"\xff\xfb\x01NOOP\r\n", b"\xff\xfd\x06SYST\r\n", b" NOOP\r\n",
        b"noop \r\n", b"X" * 300 + b"\r\n", b"\x80\x81\r\n",
    ]
    for line in lines:
        one.client.send(line)
        one.server.expect_bytes(line)
        one.server.reply("500 what")
        one.client.expect_bytes(b"500 what\r\n")
    replies = [
        b"200 \xfcber \0 \r \r\0\r\n", b"\xff\xfb\x01200 fine\r\n",
        b"200 bare\n", b"200-\xff\xff\r\n\x80\n200 end\r\n", b"200\r\n",
    ]
    for reply in replies:
        one.command("NOOP")
        one.server.send(reply)
        one.client.expect_bytes(reply)
    one.goes_on()


def test_verbs_after_telnet_commands(pair):
    """PASV after Telnet commands, in small letters, with a bare LF."""
    one = pair()
    far = one.listen(one.ns)
    for line in (b"\xff\xfb\x01\xff\xf1PASV\r\n", b"pasv\n", b"PaSv \r\n"):
        one.client.send(line)
        one.server.expect_bytes(line)
        one.server.send(b"\xff\xfc\x01227 (%s)\r\n"
                        % far.port_argument().encode())
        one.client.expect_bytes(b"\xff\xfc\x01227 (127,0,0,1,")
        one.client.read_line()
        far.accept().close()


def test_transfers_of_odd_names(pair):
    """The name of a file makes no difference to the transfer."""
    one = pair()
    for name in "PORT 1,2,3,4,5,6", "a\xffb\xfc", "226 done":
        mine, theirs = one.data("passive", f"RETR {name}")
        one.transfer(mine, theirs, b"x")


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_real_servers(kind, target, folder):
    """A file is stored and fetched under any name."""
    path, name = folder(kind)
    names = ["PORT 1,2,3,4,5,6", "\u00fcber \u20ac", "227 (1,2,3,4,5,6)"]
    with Ftp(target(kind)) as control:
        control.encoding = "utf-8"
        for number, one in enumerate(names):
            content = b"content %d" % number
            control.store("passive", f"STOR {name}/{one}", content)
            assert (path / one).read_bytes() == content
            assert control.fetch("active", f"RETR {name}/{one}") == content


# Long lines.

def test_lines_up_to_8_kib_pass(pair):
    """Lines of 5,000 and 8,190 bytes pass; longer ones do not."""
    one = pair()
    for length in 5000, 8000, 8190:
        one.exchange("SITE " + "x" * (length - 7), "500 too long for me")
    for length in 9000, 100_000:
        one.client.command("SITE " + "x" * length, "NOOP")
        one.client.expect("500")
        one.answer("NOOP", "200 in step")


def test_long_reply_lines_pass(pair):
    """Lines of any length pass, and the session stays in step."""
    one = pair()
    for length in 5000, 8190, 9000, 100_000:
        one.exchange("NOOP", "200 " + "y" * length)
        one.exchange("STAT", "211-" + "y" * length + "\r\n211 End")
    one.goes_on()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_long_lines_and_real_servers(kind, target, server, ns):
    """5,000 bytes: the server does the same as without culvert."""
    one = server(kind)

    def attempt(control):
        """Return the codes of what it says."""
        control.command("SITE " + "x" * 4993)
        if kind in ("vsftpd", "pure-ftpd"):  # they end the session
            return control.read_line()[:3]
        control.command("PWD", "QUIT")
        return [line[:3] for line in control.read_all().splitlines()]

    with Ftp(target(kind)) as near, \
            scripted.client(one.address, one.port, side=ns) as far:
        far.expect("220")
        far.command(f"USER {one.user}", f"PASS {one.password}")
        replies_until(far, "230")
        assert attempt(near) == attempt(far)


# Greetings.

@pytest.mark.parametrize("greeting", [
    "421 too many", "530 not today", "421-too\r\n421 many"])
def test_refusing_greetings(greeting, pair):
    """The client gets them, and the end, quickly."""
    one = pair(log_in=False)
    with within(2):
        one.server.reply(greeting)
        one.server.close()
        one.client.expect(f"{greeting}\r\n")
        one.client.read_all()


def test_120_before_220(pair):
    """A 120 does not end the greeting."""
    one = pair(log_in=False)
    one.say("120 in a minute")
    one.command("PASV")
    far = one.listen(one.ns)
    one.server.reply("220 now", f"227 ({far.port_argument()})")
    one.client.expect("220 now\r\n")
    assert scripted.parse_port(one.client.expect("227 ("))[1] != far.port


def test_a_server_that_closes_at_once(pair):
    """The client gets the end quickly."""
    one = pair(log_in=False)
    with within(2):
        one.server.close()
        rest = one.client.read_all()
    assert not rest.startswith(b"2")


# Replies cut off.

@pytest.mark.parametrize("reply", [
    b"200 no CR\n", b"200 no line end", b"200-half of\r\n a rep",
    b"221 bye\r\n\r\n...", b"22"])
def test_what_is_there_at_the_end_is_flushed(reply, pair):
    """An incomplete reply passes at the end of the connection."""
    one = pair()
    one.command("QUIT")
    one.server.send(reply)
    one.server.close()
    one.client.expect_bytes(reply)
    one.client.read_all()


def test_a_command_cut_off_by_the_end(pair):
    """The client ends in the middle of a line: the server gets none of it.

    proftpd would execute it: a DELE with half a name.
    """
    one = pair()
    one.client.send(b"DELE so")
    one.client.half_close()
    assert one.server.read_all() == b""
    one.server.close()
    one.client.expect_end()
