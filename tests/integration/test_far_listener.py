"""The far listener of active mode: a remote forward on sshd's loopback."""

import contextlib

import pytest

import scripted
from scripted import Listener, eprt_argument

RANGE = range(41000, 41100)
PATH = "/proc/sys/net/ipv4/ip_local_port_range"


@contextlib.contextmanager
def few_ports(ns):
    """Let the far kernel choose ports from RANGE only."""
    before = ns.run(["cat", PATH], text=True).stdout
    set_range = ["sh", "-c", f"echo \"$1\" >{PATH}", "sh"]
    ns.run([*set_range, f"{RANGE[0]} {RANGE[-1]}"])
    try:
        yield
    finally:
        ns.run([*set_range, before.strip()])


def taken(ns, stack, step, listens):
    """Take a part of RANGE on 127.0.0.1, and not on ::1.

    Returns the sockets that listen.
    """
    listening = []
    for port in RANGE[::step]:
        sock = stack.enter_context(ns.socket())
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            if listens:
                sock.listen()
                listening.append(sock)
    return listening


def test_port_that_is_taken_on_127_0_0_1(ns, start_culvert):
    """With "localhost" sshd would use a port that it gets on ::1 only.

    Some of the ports are only bound, so that the server's connect would be
    refused; others listen, so that it would reach a stranger. Nobody
    connects to these, not even to test: for a passive port of another FTP
    session that would be its client.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(scripted.server(ns))
        tunnel = start_culvert(f"0:127.0.0.1:{listener.port}",
                               options=["-v"])
        client = stack.enter_context(
            scripted.client("127.0.0.1", tunnel.port))
        server = stack.enter_context(listener.accept())
        server.reply("220 scripted")
        client.expect("220")
        data = stack.enter_context(Listener())
        stack.enter_context(few_ports(ns))
        taken(ns, stack, 4, False)
        strangers = taken(ns, stack, 7, True)
        for _ in range(20):
            # It is not used, so the next one is a new forward.
            client.command("EPRT " + eprt_argument(*data.sock.getsockname()))
            address, port = scripted.parse_eprt(server.read_command("EPRT"))
            assert address == "127.0.0.1"
            server.reply("200 ok")
            client.expect("200")
        with scripted.dial(address, port, side=ns) as wire:
            with data.accept() as end:
                wire.send(b"x")
                assert end.read(1) == b"x"
        for sock in strangers:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.accept()
