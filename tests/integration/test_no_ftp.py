"""A tunnel to a server that is no FTP server: the client is told."""

import contextlib

import pytest

import scripted

# What the server sends, and what of that the client gets.
SAYINGS = {
    "http": (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"),
    "pop3": (b"+OK ready\r\n", "+OK ready"),
    "imap": (b"* OK ready\r\n", "* OK ready"),
    "vnc": (b"RFB 003.008\n", "RFB 003.008"),
    "mysql": (b"J\0\0\0\n5.5.5-10.11\0", "J???"),
    "tls": (b"\x15\x03\x01\0\x02\x02\n", "??????"),
    "banner": (b"x\r\n" * 60, "x"),
    "rubbish": (bytes(range(256)) * 64, None),
}


@pytest.fixture
def tunnel(start_culvert):
    """Return a function that opens a session with what is at that place."""
    with contextlib.ExitStack() as stack:
        def start(host, port):
            culvert = start_culvert(f"127.0.0.1:0:{host}:{port}")
            return culvert, stack.enter_context(
                scripted.client("127.0.0.1", culvert.port))
        yield start


def test_sshd(tunnel, sshd, ns):
    """The SSH port in place of the FTP server's, a common mistake."""
    culvert, client = tunnel(ns.far4, sshd.port)
    said = client.expect(f"421 the server at {ns.far4}:{sshd.port} does not "
                         'speak FTP: it said "SSH-2.0-')
    client.expect_end()
    culvert.wait_log(r"\[1\] " + said[4:].split('"')[0] + '"SSH-2.0-')


@pytest.mark.parametrize("name", SAYINGS)
def test_other_servers(name, tunnel, ns):
    """Servers that send first, in another protocol."""
    words, seen = SAYINGS[name]
    with scripted.server(ns) as listener:
        culvert, client = tunnel("127.0.0.1", listener.port)
        with listener.accept() as server:
            server.send(words)
            while not (line := client.read_line()).startswith(b"421 "):
                assert line, "no 421"
            assert b"does not speak FTP: it said " in line
            assert seen is None or f'"{seen}"'.encode() in line
            client.expect_end()
        culvert.wait_log("does not speak FTP")


def test_closes_at_once(tunnel, ns):
    """As a server does that does not accept the client."""
    with scripted.server(ns) as listener:
        culvert, client = tunnel("127.0.0.1", listener.port)
        listener.accept().close()
        client.expect(f"421 the server at 127.0.0.1:{listener.port} "
                      "closed the connection before its greeting was "
                      "complete.\r\n")
        client.expect_end()
        culvert.wait_log("closed the connection before its greeting was "
                         "complete")


def test_a_banner_is_no_reason(tunnel, ns):
    """Blank lines, Telnet commands and text before the greeting."""
    banner = b"\r\n\xff\xfb\x01Welcome.\r\n--------\r\n"
    with scripted.server(ns) as listener:
        culvert, client = tunnel("127.0.0.1", listener.port)
        with listener.accept() as server:
            server.send_pieces(b"\r\n\xff\xfb", b"\x01Welcome.\r\n--",
                               b"------\r\n")
            client.expect_bytes(banner)
            server.reply("220-hello", "220 ready")
            client.expect("220-hello\r\n220 ready\r\n")
            client.command("NOOP")
            server.expect_command("NOOP")
            server.reply("200 ok")
            client.expect("200 ok\r\n")
        assert "does not speak FTP" not in culvert.output
