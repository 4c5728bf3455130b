"""The far listener of active mode: a remote forward on sshd's loopback."""

import contextlib

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
    """Take a part of RANGE on 127.0.0.1, and not on ::1."""
    for port in RANGE[::step]:
        sock = stack.enter_context(ns.socket())
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            if listens:
                sock.listen()


def test_port_that_is_taken_on_127_0_0_1(ns, start_culvert):
    """sshd opens the forward on ::1 alone, and says that all is well.

    Some of the ports are only bound, so that the server's connect would be
    refused; others listen, so that it would reach a stranger.
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
        taken(ns, stack, 7, True)
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
        tunnel.wait_log(r"is taken on 127\.0\.0\.1: asking for another")
