"""Lines that some server reads as PORT: it never connects outside SSH."""

import select

import pytest

from clients import Target
from liberal import shapes, without_telnet
from scripted import Listener, port_argument
from servers import KINDS, MORE_KINDS
from transfer import Ftp

# The forms of liberal.py that represent the others.
CORE = [f"{filler} {where}" for where in (
    "before", "within", "first", "behind", "as the blank", "as a line end")
    for filler in ("00", "09", "0b", "0c", "0d", "ff", "ff f1", "ff f4",
                   "ff fb 01", "ff fd ff", "ff 4a", "ff 0a", "ff fb 0a")] + [
    "lower", "bare LF", "CR CR LF", "behind 511 bytes", "behind 512 bytes",
    "behind 1022 bytes", "behind 4096 bytes"]


def replies_until(control, code):
    """Read lines up to one that begins so; returns them."""
    lines = [b""]
    while not lines[-1].startswith(code):
        lines.append(without_telnet(control.read_line()))
        assert lines[-1], f"the end, and no {code}: {lines}"
    return b"".join(lines)


@pytest.mark.parametrize("kind", KINDS + MORE_KINDS)
def test_no_server_takes_port(kind, target, ns):
    """No form of PORT to an address other than the client's is accepted."""
    with Listener(ns) as listener, \
            Ftp(target(kind), source=("127.0.0.2", 0)) as control:
        # To the server the client is at 127.0.0.1; to culvert it is not.
        to = port_argument("127.0.0.1", listener.port).encode()
        lines = {name: line for name, line in shapes(to) if name in CORE}
        assert len(lines) > len(CORE) * 0.9
        for name, line in lines.items():
            # CR LF, for a server to which LF is no line end.
            control.send(line + b"\r\nPWD\r\n")
            said = replies_until(control, b"257")
            assert b"200 " not in said, f"{name}: {said}"
        # pyftpdlib would have connected.
        assert not select.select([listener.sock], [], [], 0)[0]


@pytest.mark.parametrize("kind", ["proftpd"])
def test_half_a_line_is_not_executed(kind, target, start_server,
                                     start_culvert):
    """The client ends in the middle: the server gets nothing."""
    server = start_server(kind)
    culvert = start_culvert(f"127.0.0.1:0:127.0.0.1:{server.port}",
                            options=["-v"])
    to = Target.behind(culvert, server)
    with Ftp(to) as control:
        control.send(b"MKD whole\r\nMKD half")
        control.half_close()
        control.expect("257")
        control.expect_end()
    assert (server.root / "whole").is_dir()
    assert not (server.root / "half").exists()
