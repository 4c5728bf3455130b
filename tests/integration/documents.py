"""doc/topologies.md for tests: its sections, and the hosts that it describes.

On the four hosts of topology.py, the names in the document resolve, and alice
has an account.  A leg is a client and its FTP server; a section of the
document has one or two.
"""

import contextlib
import dataclasses
import filecmp
import os
import re
import shlex
import shutil
import subprocess

import pytest

from clients import make_file
from culvert import PROGRAM, REPO, Culvert, bracket
from culvert import said as culvert_said
from process import FAILSAFE, Process, until
from servers import ACTIVE, PASSIVE, Server
from topology import ROW, SIZES, SSH_PORT

DOCUMENT = REPO / "doc/topologies.md"

# ---- the document ----

KINDS = {"sh", "text", "authorized_keys", "sshd_config", "console", "ini", ""}


@dataclasses.dataclass
class Section:
    """A heading, and the blocks of code up to the next heading."""

    title: str
    blocks: list = dataclasses.field(default_factory=list)  # (kind, text)

    def texts(self, kind):
        """Return the blocks of a kind."""
        return [text for one, text in self.blocks if one == kind]

    @property
    def commands(self):
        """The commands that start culvert."""
        return [text for text in self.texts("sh") if is_culvert(text)]

    @property
    def client_commands(self):
        """The commands of FTP clients, a block for each leg."""
        return [text for text in self.texts("sh") if not is_culvert(text)]

    @property
    def words(self):
        """The words of the command that starts culvert."""
        return shlex.split(self.commands[0])


def is_culvert(text):
    """Return whether a block starts culvert."""
    return text.split()[0] == "culvert"


def parse(text):
    """Return the sections of a document."""
    sections, kind, lines = [Section("")], None, []
    for line in text.splitlines():
        if line.startswith("```") and kind is None:
            kind, lines = line[3:], []
        elif line.startswith("```"):
            sections[-1].blocks.append((kind, "\n".join(lines)))
            kind = None
        elif kind is not None:
            lines.append(line)
        elif line.startswith("#"):
            sections.append(Section(line.lstrip("# ")))
        else:
            assert not line.startswith(("    ", "\t", "~~~")), \
                f"code that is not fenced: {line}"
    assert kind is None, "a block does not end"
    return sections


TEXT = DOCUMENT.read_text()
SECTIONS = {section.title: section for section in parse(TEXT)}

# Lines of sshd_config for all sections.
FOR_ALL = [text for section in SECTIONS.values() if not section.commands
           for text in section.texts("sshd_config")]


# ---- where its clients and servers are ----

@dataclasses.dataclass(frozen=True)
class Leg:
    """One FTP server of a section, and where its client is.

    modes has an element for each key of the section, the mode toward the
    server: "same" as the client's, always "passive", always "active", or
    "none": the client can use passive mode only.
    """

    client: str
    server: str
    address: str = None  # of the server, if not its own on the LAN
    modes: tuple = ("same",)
    without: frozenset = frozenset()


# A server on the SSH server's own host, on all its addresses.
OWN = {"client": "near", "server": "far", "address": "0.0.0.0"}

LEGS = {
    "A. Client here, server on the SSH server's host":
        [Leg(**OWN, modes=("same", "passive"))],
    "B. Client here, server behind the SSH server":
        [Leg("near", "far_end", modes=("passive",))],
    "B with active mode to the server": [Leg("near", "far_end")],
    "C. A gateway for a LAN": [Leg("near_end", "far_end", modes=("passive",))],
    "C on given addresses":
        [Leg("near_end", "far_end", modes=("passive",))] * 2,
    "D with culvert in a container":
        [Leg("near_end", "far_end", modes=("passive",))],
    "D with clients behind a NAT":
        [Leg("near_end", "far_end", modes=("passive",))],
    "E. Server here, client on the SSH server's host":
        [Leg("far", "near_end", modes=("same", "none"))],
    "F. Server here, clients behind the SSH server":
        [Leg("far_end", "near_end")],
    "F on all addresses": [Leg("far_end", "near_end")],
    "G. Both directions on one connection":
        [Leg(**OWN), Leg("far", "near_end")],
    "Only passive":
        [Leg(**OWN, modes=("passive",), without=frozenset(ACTIVE))],
    "L. Clients that use SOCKS": [Leg("near", "far_end", modes=("passive",))],
    "Only active":
        [Leg("near", "far", "127.0.0.1", modes=("active",),
             without=frozenset(PASSIVE))],
}

# The address of ftp.plant is not the same on all hosts.
PLANT = {**dict.fromkeys(["near_end", "near"], "192.0.2.1"),
         **dict.fromkeys(["far", "far_end"], "203.0.113.4")}

HOSTS = """\
127.0.0.1 localhost
::1 localhost
198.51.100.3 files.example.com gate.example.com
{plant} ftp.plant
"""

# A container with an address that is unknown to other hosts, and whose ports
# are mapped.  Other ports of its host cannot be reached from the LAN.
CONTAINER = """\
ip addr add 172.17.0.2/32 dev lo
nft -f - <<END
table ip container {{
    chain in {{
        type nat hook prerouting priority dstnat;
        iifname "near" tcp dport {{ {port}, {range} }} dnat to 172.17.0.2
    }}
    chain out {{
        type nat hook postrouting priority srcnat;
        oifname "near" ip saddr 172.17.0.2 masquerade
    }}
    chain host {{
        type filter hook input priority 0;
        iifname "near" meta l4proto tcp ip daddr != 172.17.0.2 drop
    }}
}}
END
"""
NO_CONTAINER = """\
nft delete table ip container
ip addr del 172.17.0.2/32 dev lo
"""

# A client behind a router with NAT; it knows only its own, private address.
ROUTER = """\
ip addr add {address}/32 dev lo
ip route change 192.0.2.0/24 dev near src {address}
nft -f - <<END
table ip nat {{
    chain in {{
        type nat hook prerouting priority dstnat;
        iifname "near" tcp dport {range} dnat to {address}
    }}
    chain out {{
        type nat hook postrouting priority srcnat;
        oifname "near" ip saddr {address} snat to 192.0.2.1
    }}
}}
END
"""
NO_ROUTER = """\
nft delete table ip nat
ip route change 192.0.2.0/24 dev near
ip addr del {address}/32 dev lo
"""


@contextlib.contextmanager
def network(topology, section):
    """Set up what a section needs in the network, and remove it at the end."""
    host, make, remove, names = topology.near, ":", ":", {}
    if "container" in section.title:
        make, remove = CONTAINER, NO_CONTAINER
        port = re.search(r":(\d+):", section.commands[0])[1]
        words = section.words
        names = {"port": port,
                 "range": words[words.index("--client-ports") + 1]}
    elif "NAT" in section.title:
        host, make, remove = topology.near_end, ROUTER, NO_ROUTER
        found = re.search(r"-P (\S+):(\S+)", section.client_commands[0])
        names = {"address": found[1], "range": found[2]}
    host.run(["sh", "-euc", make.format(**names)])
    try:
        yield
    finally:
        host.run(["sh", "-euc", remove.format(**names)])


# ---- its hosts: names, accounts, sshd, FTP servers ----

ALICE = 61000  # a user ID that is not in use

SSHD_CONFIG = """\
Port {port}
ListenAddress 198.51.100.3
HostKey {dir}/host_key
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel DEBUG1
Subsystem sftp internal-sftp
"""

# Runs in the mount namespace of one command, so it affects no other process.
ENTER = """\
for name in passwd shadow hosts; do
    mount --bind "$1/$name" "/etc/$name"
done
mount --bind /dev/null /etc/ssh/ssh_config
shift
exec "$@"
"""

SSHD = """\
mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd
mount --bind "$2" /srv
exec /usr/sbin/sshd -D -e -f "$1"
"""


class World:
    """The four hosts as the document describes them.

    root runs culvert and the FTP clients.  Its home has a key, a known_hosts
    and a .netrc, but no configuration of ssh.
    """

    def __init__(self, topology, directory):
        self.topology, self.dir = topology, directory
        self.root, self.alice = directory / "root", directory / "alice"
        (directory / "srv/alice").mkdir(parents=True)
        for home in self.root, self.alice:
            (home / ".ssh").mkdir(0o700, parents=True)
        for name in "host_key", "user_key":
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-C", name, "-f", directory / name], check=True)
        self.key = (directory / "user_key.pub").read_text()
        shutil.copy(directory / "user_key", self.root / ".ssh/id_ed25519")
        (self.root / ".ssh/known_hosts").write_text(
            "files.example.com,gate.example.com "
            + (directory / "host_key.pub").read_text())
        (self.root / ".netrc").write_text(
            "default login tester password secret\n")
        (directory / "bin").mkdir()
        (directory / "bin/culvert").symlink_to(PROGRAM)
        for role in ROW:
            self._make_etc(role)
        self._give_to_alice()

    def _make_etc(self, role):
        etc = self.dir / role
        etc.mkdir()
        with open("/etc/passwd") as file:
            others = [line for line in file
                      if not line.startswith(("root:", "alice:"))]
        (etc / "passwd").write_text(
            f"root:x:0:0::{self.root}:/bin/sh\n" + "".join(others)
            + f"alice:x:{ALICE}:{ALICE}::{self.alice}:/bin/sh\n")
        (etc / "shadow").write_text("root:*:19000::::::\n"
                                    "alice:*:19000::::::\n")
        (etc / "hosts").write_text(HOSTS.format(plant=PLANT[role]))

    def _give_to_alice(self):
        for path in self.alice, *self.alice.rglob("*"):
            os.chown(path, ALICE, ALICE)

    def argv(self, role, argv):
        """Return the command that runs argv on that host."""
        return [str(word) for word in self.topology.hosts[role].argv(
            ["sh", "-euc", ENTER, "sh", self.dir / role, *argv])]

    @property
    def env(self):
        """Root's environment."""
        return {"PATH": f"{self.dir}/bin:{os.environ['PATH']}",
                "HOME": str(self.root), "LC_ALL": "C"}

    def run(self, role, script, directory="/"):
        """Run a script as root on that host to its end."""
        return subprocess.run(
            self.argv(role, ["sh", "-ec", script]), cwd=directory,
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=FAILSAFE * 2)

    def authorize(self, line):
        """Make this the only line of alice's authorized_keys.

        The key in it, which the document abbreviates, is replaced by root's.
        """
        options = line.removesuffix(" ssh-ed25519 AAAA... culvert")
        (self.alice / ".ssh/authorized_keys").write_text(
            f"{options} {self.key}")
        self._give_to_alice()

    @contextlib.contextmanager
    def sshd(self, *lines):
        """Run sshd, with these lines in its configuration."""
        config = self.dir / "sshd_config"
        config.write_text("\n".join((SSHD_CONFIG.format(
            port=SSH_PORT, dir=self.dir), *lines, "")))
        process = Process(
            self.argv("far", ["sh", "-euc", SSHD, "sshd", config,
                              self.dir / "srv"]), "sshd")
        try:
            process.wait_line("^Server listening on ")
            yield process
        finally:
            process.stop()


class OnPort21:
    """A host whose free_port() is 21, so that a Server listens there."""

    def __init__(self, host):
        self._host = host

    def __getattr__(self, name):
        return getattr(self._host, name)

    def free_port(self, _):
        """Return the port of FTP."""
        return 21


class FtpServer(Server):
    """The FTP server of a leg, with a log of its commands."""

    def __init__(self, host, leg, directory):
        self._log, self._place = directory / "log", 0
        super().__init__(
            "vsftpd", OnPort21(host), directory,
            leg.address or host.address("ipv4"), leg.without,
            ["xferlog_enable=YES", "xferlog_std_format=NO",
             "log_ftp_protocol=YES", f"vsftpd_log_file={self._log}"])
        self.mkdir("in")

    def asked(self):
        """Return the last PORT, EPRT, PASV or EPSV of each new transfer."""
        text, verbs, last = self._log.read_text(errors="replace"), [], None
        for verb in re.findall(
                r'FTP command: .*?"(PORT|EPRT|PASV|EPSV|RETR|STOR)\b',
                text[self._place:]):
            if verb in ("RETR", "STOR"):
                verbs.append(last)
            else:
                last = verb
        self._place = len(text)
        return verbs


class Client:
    """The FTP client of a leg: its commands, and the expected results.

    expect is the element of the leg's modes for the key that is used.
    """

    def __init__(self, world, leg, server, commands, expect):
        self._world, self._leg, self._server = world, leg, server
        self._commands, self._expect = commands, expect
        self._url = re.search(r"ftp://[^\s/]+/", commands)[0]
        self._active = re.search(r"-P (\S+)", commands)[1]
        socks = re.search(r"--socks5-hostname \S+ ", commands)
        self._socks = socks[0] if socks else ""

    def _check(self, done, pairs, modes):
        assert done.returncode == 0, done.stdout
        for here, there in pairs:
            assert filecmp.cmp(here, self._server.root / there, False), here
        verbs = self._server.asked()
        assert len(verbs) == len(modes), verbs
        for verb, mode in zip(verbs, modes):
            if self._expect not in ("same", "none"):
                mode = self._expect
            assert verb in (ACTIVE if mode == "active" else PASSIVE), verbs

    def run_printed(self, tmp):
        """Run the commands of the document: a download and an upload."""
        make_file(self._server.root / "report.csv", SIZES["big"])
        make_file(tmp / "orders.csv", SIZES["big"])
        self._check(self._world.run(self._leg.client, self._commands, tmp),
                    [(tmp / "report.csv", "report.csv"),
                     (tmp / "orders.csv", "in/orders.csv")],
                    ["passive", "active"])

    def _curl(self, mode, words, tmp):
        active = f"-P {self._active} " if mode == "active" else ""
        return self._world.run(
            self._leg.client,
            f"curl -q -sS -n -m {FAILSAFE} {self._socks}{active}{words}", tmp)

    def transfer(self, mode, options, tmp):
        """Fetch and store a file of each size."""
        get, names = "", ",".join(f"new-{name}" for name in SIZES)
        for name, size in SIZES.items():
            make_file(self._server.root / name, size)
            make_file(tmp / f"new-{name}", size)
            get += f" -o got-{name} '{self._url}{name}'"
        put = f" -T '{{{names}}}' '{self._url}in/'"
        modes = [mode] * len(SIZES)
        self._check(self._curl(mode, options + get, tmp),
                    [(tmp / f"got-{name}", name) for name in SIZES], modes)
        self._check(self._curl(mode, options + put, tmp),
                    [(tmp / f"new-{name}", f"in/new-{name}")
                     for name in SIZES], modes)

    def use(self, tmp):
        """Transfer files in every way that the section says will work."""
        if self._expect == "none":
            failed = self._curl("active", f"'{self._url}in/'", tmp)
            assert failed.returncode != 0, failed.stdout
            modes = ["passive"]
        else:
            self.run_printed(tmp)
            modes = ["active", "passive"]
        families = ["-4", "-6"] if self._leg.client == "far" else [""]
        for mode in modes:
            for family in families:
                self.transfer(mode, family, tmp)
            if "[" not in self._url:  # PORT, PASV, and the address in the 227
                self.transfer(mode, "-4 --disable-eprt --disable-epsv"
                              " --no-ftp-skip-pasv-ip", tmp)


class PrintedCulvert(Culvert):
    """The culvert of a command in the document."""

    def __init__(self, world, text, directory):
        self.dir = str(directory)
        self.process = Process(
            world.argv("near", ["bash", "-c", text]), "culvert",
            env={**world.env, "XDG_RUNTIME_DIR": self.dir})
        self.pid = self.process.pid
        self.listeners, self._kin = [], {}

    @contextlib.contextmanager
    def running(self, ready):
        """Wait until it has printed exactly ready, and stop it at the end."""
        try:
            self.process.wait_line(re.escape(ready.splitlines()[-1]) + "$")
            assert culvert_said(self.output) == ready
            with open(f"/proc/{self.pid}/comm") as file:
                assert file.read() == "culvert\n"
            yield
            self.stop()
        finally:
            self.kill()


# ---- what a key may do ----

def permits(line):
    """Return what a line of authorized_keys permits, by keyword."""
    found = {"permitopen": [], "permitlisten": []}
    for what, value in re.findall(r'(permit\w+)="([^"]*)"', line):
        host, _, port = value.rpartition(":")
        found[what].append((host.strip("[]"), port))
    return found


def covers(permitted, host, port):
    """Return whether one is for that host and port, compared as texts."""
    return any(host == one and which in ("*", str(port))
               for one, which in permitted)


# A key of the document permits only a few of these: connections to ports 21
# and 22 of these hosts, and listening at these addresses.
PLACES = ["localhost", "127.0.0.1", "::1", "127.0.0.2", "203.0.113.3",
          "203.0.113.4", "ftp.plant", "files.example.com"]
LISTEN_AT = ["localhost", "127.0.0.1", "::1", "203.0.113.3", "", "0.0.0.0"]

REQUESTS = {
    "permitopen": r"server_request_direct_tcpip: .*, target (\S*) port (\d+)",
    "permitlisten": r"tcpip-forward listen (\S*) port (\d+)",
}
DENIED = {
    "permitopen": r" to connect to host (\S*) port (\d+), but the request was"
                  " denied",
    "permitlisten": r" to remote forward to host (\S*) port (\d+), but the"
                    " request was denied",
}


def said(sshd, pattern, start=0):
    """Return the (host, port) in each message of sshd that matches."""
    lines = "\n".join(sshd.lines[start:])
    return [(host, int(port)) for host, port in re.findall(pattern, lines)]


class Holder:
    """An ssh that somebody else runs with the key."""

    def __init__(self, world, sshd, destination):
        self._world, self.sshd, self._to = world, sshd, destination
        self._path = world.dir / "ctl"

    def __enter__(self):
        self._master = Process(
            self._world.argv("near", ["ssh", "-M", "-S", self._path, "-N",
                                      self._to]), "ssh", env=self._world.env)
        until(lambda: self._path.exists() or not self._master.alive(),
              "ssh has logged in, or has ended")
        self.logged_in = self._master.alive()
        return self

    def __exit__(self, *_):
        # With ssh 9.2 a signal can be lost that comes just before it waits.
        if self._master.alive():
            self.ssh("-O exit DEST")
        self._master.stop()

    def ssh(self, *commands):
        """Run ssh with each of these options, and ignore exit statuses."""
        return self._world.run("near", "".join(
            f"ssh -S {self._path} {words} || :\n".replace("DEST", self._to)
            for words in commands))

    def denied(self, opens=(), listens=()):
        """Request these hosts and ports; returns those that sshd denied."""
        start = self.sshd.mark()
        self.ssh(*(f"-W '{bracket(host)}:{port}' DEST"
                   for host, port in opens),
                 *(f"-O forward -R '{bracket(host)}:{port}:localhost:9' DEST"
                   for host, port in listens))
        tries = len(opens) + len(listens)
        until(lambda: sum(len(said(self.sshd, pattern, start))
                          for pattern in REQUESTS.values()) == tries,
              "sshd has received the requests")
        # A denial may be read later: read up to the line of one more request.
        end = self.sshd.mark()
        self.ssh("-W fence:2 DEST")
        self.sshd.wait_line("target fence port 2$", start=end)
        return tuple([one for one in said(self.sshd, DENIED[what], start)
                      if one != ("fence", 2)] for what in REQUESTS)


def check_least(world, sshd, line, destination):
    """Fail if the key can do more than its line permits, or needs less."""
    permitted = permits(line)
    for what, pattern in REQUESTS.items():
        asked = said(sshd, pattern)
        for one in permitted[what]:
            assert one[1] == "1" or any(
                covers([one], *request) for request in asked), \
                f'{what}="{one[0]}:{one[1]}" is not needed'
    opens = [(host, port) for host in PLACES for port in (21, 22)
             if not covers(permitted["permitopen"], host, port)]
    listens = [(host, port) for host in LISTEN_AT for port in (0, 8080)
               if not covers(permitted["permitlisten"], host, port)]
    assert opens and listens
    with Holder(world, sshd, destination) as holder:
        assert holder.logged_in
        denied_opens, denied_listens = holder.denied(opens, listens)
        assert set(opens) <= set(denied_opens)
        assert set(listens) <= set(denied_listens)
        assert "uid=" not in holder.ssh("DEST id").stdout


@pytest.fixture(scope="session")
def _world(_topology, directories):
    return World(_topology, directories())


@pytest.fixture
def world(topology, _world):
    """Return the document's hosts; the traffic between them is checked."""
    return _world
