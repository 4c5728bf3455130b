"""A device LAN behind a gateway that captures, in the row of topology.py.

The client on near_end knows nothing but the address of the FTP server, on
far_end, and that near is its router.  near would really forward its packets to
the link, where the tcpdump of the topology sees them.  culvert and nft on near
capture them instead.
"""

import contextlib
import os
import subprocess

import culvert as culvert_module
from clients import Target
from topology import FAMILIES, NETWORKS

PORT = 2121  # of the tunnel
CLIENT_PORTS = "41000-41040"
MARK, TABLE = "0x2121", "2121"


def _nets(name):
    """Return the networks of that name, as ip(8) and nft(8) have them."""
    return [pattern.format("") + length
            for pattern, length in zip((NETWORKS[name][0].format("0"),
                                        NETWORKS[name][1].format("")),
                                       ("/24", "/64"))]


class Lan:
    """The routes, and what the culvert of a test needs."""

    def __init__(self, topology, tmp):
        self.topology, self.tmp = topology, tmp
        self.near, self.client = topology.near, topology.near_end
        self.path = tmp / "capture.conf"
        self._stack = contextlib.ExitStack()
        self.culvert = None
        self.name = None

    def _undo(self, *argv, host=None):
        host = host or self.near
        self._stack.callback(lambda: subprocess.run(
            host.argv(list(argv)), check=False, capture_output=True))

    def make_routes(self):
        """Make near a router that forwards everything."""
        near, far = self.near, self.topology.far
        for number, family in enumerate(FAMILIES):
            option = ["ip", f"-{(4, 6)[number]}"]
            far_net = _nets("far")[number]
            near.run([*option, "route", "add", far_net, "via",
                      far.address(family, "link")])
            self._undo(*option, "route", "del", far_net)
            self.client.run([*option, "route", "add", "default", "via",
                             near.address(family)])
            self._undo(*option, "route", "del", "default", host=self.client)
            near.run([*option, "rule", "add", "fwmark", MARK, "lookup",
                      TABLE])
            self._undo(*option, "rule", "del", "fwmark", MARK)
            near.run([*option, "route", "add", "local", "default", "dev",
                      "lo", "table", TABLE])
            self._undo(*option, "route", "flush", "table", TABLE)
        forward = ("cd /proc/sys/net && echo {0} >ipv4/ip_forward && "
                   "echo {0} >ipv6/conf/all/forwarding")
        near.run(["sh", "-euc", forward.format(1)])
        self._undo("sh", "-euc", forward.format(0))
        through = "chain inet link through { policy %s; }"
        near.run(["nft", "add " + through % "accept"])
        self._undo("nft", "add " + through % "drop")

    def configure(self, mode, rules, tunnels=(), more=(), defaults=(),
                  sshd=None):
        """Write the configuration: the tunnel lan, and the others.

        rules: pairs of a name and lines.
        """
        lines = ["[defaults]", *defaults]
        sshd = sshd or self.topology.sshd()
        for name, own in [("lan", [
                f"L = *:{PORT}", f"capture = {mode}", *more,
                *(f"allow = {net}" for net in _nets("near")),
                *([f"client-ports = {CLIENT_PORTS}"]
                  if mode == "redirect" else [])]), *tunnels]:
            lines += [f"[tunnel {name}]", "destination = files.test",
                      f"F = {sshd.config}", *own]
        for name, own in rules:
            lines += [f"[rule {name}]", *own]
        self.path.write_text("\n".join([*lines, ""]))

    def start(self, *options, names=("--all",), set_rules=True,
              open_to_all=False):
        """Set the nft rules, and start culvert."""
        if set_rules:
            self.set_rules()
        directory = self.topology.directory()
        if open_to_all:
            os.chmod(directory, 0o1777)
        # ip(8) enters the namespace, and keeps the pid.
        self.culvert = culvert_module.Up(
            directory, self.path, names, None,
            options=["-v", "-v", *options], wrap=self.near.argv([]))
        self._stack.callback(self._stop)
        self.topology.note(self.culvert)
        self.culvert.wait_log("listening on .* for captured connections$")
        self.culvert.see()
        return self.culvert

    def _stop(self):
        if self.culvert.alive():
            self.culvert.stop()
        self.culvert.check()

    def rules(self):
        """Return what culvert capture-rules prints."""
        return subprocess.run(
            [culvert_module.PROGRAM, "capture-rules", "-f", self.path, "lan"],
            check=True, capture_output=True, text=True).stdout

    def set_rules(self):
        """Give nft the rules of culvert capture-rules."""
        self.near.run(["nft", "-f", "-"], text=True, input=self.rules())
        self._undo("nft", "delete table inet culvert-lan")

    def target(self, server, user=None):
        """Return the server as the device knows it."""
        return Target(server.address, server.port, user or server.user,
                      server.password, self.client.argv, self.client.call)

    def close(self):
        """Stop culvert, and undo everything."""
        self._stack.close()
