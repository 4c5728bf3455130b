"""The table of what is measured, for which contenders, and with which goals.

A scenario is a load on a path, and the contenders that take turns with it.  A
figure is a quantity of one contender, or the ratio of those of two contenders
in the same round.
"""

import contextlib
import dataclasses
import hashlib
import json
import subprocess
from typing import Callable

import gateway
import path
import rigs
from process import Process, until

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MTUS = (1500, 9000)
AES = ("-c", "aes256-gcm@openssh.com")

# ---- contenders ----

CONTENDERS = {
    "direct": lambda site, name: rigs.Direct(name, site),
    "ssh -L": lambda site, name: rigs.SshL(name, site),
    "sftp": lambda site, name: rigs.Sftp(name, site),
    "culvert": lambda site, name: rigs.Culvert(name, site),
    "culvert --links 4": lambda site, name: rigs.Culvert(
        name, site, options=["--links", "4"]),
    "culvert --server-mode passive": lambda site, name: rigs.Culvert(
        name, site, options=["--server-mode", "passive"]),
    "ssh -L, AES": lambda site, name: rigs.SshL(name, site, AES),
    "sftp, AES": lambda site, name: rigs.Sftp(name, site, AES),
    "culvert, AES": lambda site, name: rigs.Culvert(name, site, AES),
    "gateway": lambda site, name: gateway.Gateway(name, site),
    "lftp sftp": lambda site, name: gateway.LftpSftp(name, site),
    "rclone": lambda site, name: gateway.Rclone(name, site),
    "culvert, AES --links 4": lambda site, name: rigs.Culvert(
        name, site, AES, ["--links", "4"]),
}


@dataclasses.dataclass(frozen=True)
class Turn:
    """A contender, and how it is used.

    label is its name in figures and in the table; rig a name of CONTENDERS.
    """

    label: str
    rig: str
    mode: str = "passive"
    parallel: int = 1


def turns(*names):
    """Return turns of contenders: passive mode, one transfer at a time."""
    return tuple(Turn(name, name) for name in names)


# ---- loads: functions (site, rig, turn, amount) that return results ----

@dataclasses.dataclass(frozen=True)
class Amount:
    """How much: bytes of a file, files in a session, sessions.

    files or sessions 0: one.
    """

    size: int = 0
    files: int = 0
    sessions: int = 0
    at_once: int = 200


def _with_cpu(rig, size, transfer):
    before = rig.cpu()
    seconds = transfer()
    after = rig.cpu()
    return {"seconds": seconds, "rate": size / seconds, **{
        f"cpu {name}": (after[name] - before[name]) / (size / GIB)
        for name in after}}


def down(site, rig, turn, amount):
    """Download one file, and throw it away."""
    name = f"big-{amount.size}"
    site.file(name, amount.size)
    return _with_cpu(
        rig, amount.size * turn.parallel,
        lambda: rig.fetch([name], mode=turn.mode, parallel=turn.parallel,
                          keep=False))


def first(site, rig, turn, amount):
    """Download one file, as the first one on a new SSH connection."""
    rig.close()
    rig.start()
    return down(site, rig, turn, amount)


def up(site, rig, turn, amount):
    """Upload one file; the server stores it in memory."""
    local = site.file(f"big-{amount.size}", amount.size)
    return _with_cpu(
        rig, amount.size * turn.parallel,
        lambda: rig.store(local, turn.mode, turn.parallel))


def _many(client):
    def load(site, rig, turn, amount):
        names = site.files(amount.files, amount.size)
        seconds = rig.fetch(names, client, turn.mode)
        return {"seconds": seconds, "files": amount.files / seconds}
    load.__doc__ = f"Many files in one session of {client}, kept in memory."
    return load


curl_files, lftp_files = _many("curl"), _many("lftp")


def _sessions_argv(what, rig, count, *more):
    return [rigs.servers.PYTHON, str(path.HERE / "sessions.py"), what,
            rig.host, str(rig.port), rig.user, rig.password, str(count),
            *map(str, more)]


def sessions(site, rig, turn, amount):
    """Run sessions with one transfer each, amount.at_once at a time."""
    content = site.file(f"small-{amount.size}", amount.size).read_bytes()
    _, (output,) = rig.run([(_sessions_argv(
        "fetch", rig, amount.sessions, amount.at_once,
        f"small-{amount.size}", amount.size,
        hashlib.sha256(content).hexdigest()), None)])
    result = json.loads(output)
    if result["failures"] and not isinstance(rig, rigs.Culvert):
        raise rigs.Failed(f"{rig.name}: {result['why']}")
    good = amount.sessions - result["failures"]
    return {**result, "transfers": good / result["seconds"]}


def memory_kib(pid):
    """Return the resident memory of a process, RSS and PSS, in KiB."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            words = line.split()
            if words[0] in ("Rss:", "Pss:"):
                found[words[0][:-1].lower()] = int(words[1])
    return found


def _settled(pid):
    """Return the memory of a process when it no longer changes."""
    seen = []

    def look():
        seen.append(memory_kib(pid))
        return len(seen) > 20 and seen[-1]["rss"] == seen[-20]["rss"]

    until(look, "the memory no longer changes")
    return seen[-1]


def rss_kib(pid):
    """Return the RSS of a process when it no longer changes."""
    return _settled(pid)["rss"]


@contextlib.contextmanager
def held(site, rig, count):
    """Keep count sessions logged in, for the time of the context."""
    with site.near.inside():
        client = Process(_sessions_argv("idle", rig, count), "sessions",
                         stdin=subprocess.PIPE)
    try:
        client.wait_line("^idle$", 120)
        yield
    finally:
        client.popen.stdin.close()
        client.stop()


def idle(site, rig, turn, amount):
    """Measure culvert's memory for each session that is logged in but idle.

    With a new culvert, after a small transfer, so that memory that only the
    first session allocates is not counted.
    """
    fresh = CONTENDERS[turn.rig](site, rig.name)
    try:
        fresh.start()
        fresh.fetch(site.files(1, 4 * KIB))
        before = _settled(fresh.pid)
        with held(site, fresh, amount.sessions):
            after = _settled(fresh.pid)
    finally:
        fresh.close()
    return {f"{name} per session": (after[name] - before[name])
            / amount.sessions for name in before}


# ---- figures ----

@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of the table.

    quantity is a key of what the load returns; over: the turn to divide by
    (ratio of the quantity in the same round), or None; over_quantity: divide
    by that quantity instead.  must: "<=" or ">=" or "=" or ">" and the bound,
    or None for a figure without a goal.
    """

    what: str
    quantity: str
    of: str
    over: str = None
    must: tuple = None
    over_quantity: str = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A row of the table, or several that are measured together."""

    name: str
    load: Callable
    amount: Amount
    quick: Amount
    turns: tuple
    figures: tuple
    shown: str            # the quantity that is printed for every turn
    rtt: float = None     # ms; None: loopback
    ports: int = 10       # for `ssh -L`


FILES = Amount(size=4 * KIB, files=200)
FEW_FILES = Amount(size=4 * KIB, files=5)


def bulk(name, load, must, rtt=None, size=GIB, suffix="",
         others=("direct", "sftp")):
    """Return a scenario: one file, culvert compared with ssh -L."""
    one, other = "culvert" + suffix, "ssh -L" + suffix
    return Scenario(
        name, load, rtt=rtt, shown="rate", amount=Amount(size=size),
        quick=Amount(size=(2 if rtt else 8) * MIB),
        turns=turns(one, other, *(
            word if word == "direct" else word + suffix for word in others)),
        figures=(Figure("throughput / ssh -L", "rate", one, other, must),))


def files(client, load):
    """Return a scenario: 200 small files, with one client, in both modes."""
    passive, active = ("culvert", "passive"), ("culvert", "active")
    label = "{}, {}".format
    translated = "culvert --server-mode passive"
    return Scenario(
        f"files-20ms-{client}", load, FILES, FEW_FILES, rtt=20,
        shown="seconds",
        turns=(Turn(label(*passive), "culvert"),
               Turn("direct, passive", "direct"),
               Turn("ssh -L, passive", "ssh -L"),
               Turn(label(*active), "culvert", "active"),
               Turn("direct, active", "direct", "active"),
               Turn(label(translated, "active"), translated, "active"),
               *([Turn("sftp", "sftp")] if client == "curl" else [])),
        figures=(
            Figure("passive: time / direct FTP", "seconds", label(*passive),
                   "direct, passive", ("<=", 0.75)),
            Figure("active: time / direct FTP", "seconds", label(*active),
                   "direct, active", ("<=", 1.0)),
            Figure("active, --server-mode passive: time / direct FTP",
                   "seconds", label(translated, "active"), "direct, active"),
            Figure("passive: time / ssh -L", "seconds", label(*passive),
                   "ssh -L, passive", ("<=", 0.35))))


def cpu(name, load):
    """Return a scenario: the CPU time of culvert, and that of its ssh."""
    one = "culvert, AES"
    return Scenario(
        name, load, Amount(size=2 * GIB), Amount(size=64 * MIB),
        turns(one, "ssh -L, AES"), shown="cpu ssh", figures=(
            Figure("CPU of culvert / of its ssh", "cpu culvert", one,
                   must=("<=", 0.35), over_quantity="cpu ssh"),
            Figure("CPU of culvert, s/GiB", "cpu culvert", one),
            Figure("CPU of its ssh, s/GiB", "cpu ssh", one),
            Figure("CPU of ssh -L, s/GiB", "cpu ssh", "ssh -L, AES")))


def by_sftp(name, load, must, amount, quick, shown="rate", rtt=None,
            others=("lftp sftp", "rclone")):
    """Return a scenario: the gateway compared with sftp."""
    return Scenario(
        f"gateway-{name}", load, amount, quick, rtt=rtt, shown=shown,
        turns=turns("gateway", "sftp", *others),
        figures=tuple(Figure(f"{shown} / {other}", shown, "gateway", other,
                             must if other == "sftp" else None)
                      for other in ("sftp", *others)))


SCENARIOS = (
    by_sftp("loopback-down", down, (">=", 1), Amount(size=GIB),
            Amount(size=8 * MIB)),
    by_sftp("loopback-up", up, (">=", 1), Amount(size=GIB),
            Amount(size=8 * MIB)),
    by_sftp("100ms-down", down, (">=", 5), Amount(size=512 * MIB),
            Amount(size=2 * MIB), rtt=100),
    by_sftp("100ms-up", up, (">=", 5), Amount(size=512 * MIB),
            Amount(size=2 * MIB), rtt=100),
    by_sftp("files-20ms-get", curl_files, ("<=", 0.5), FILES, FEW_FILES,
            "seconds", 20),
    by_sftp("files-20ms-put", gateway.put_files, ("<=", 0.5), FILES,
            FEW_FILES, "seconds", 20, others=("lftp sftp",)),
    by_sftp("list", gateway.listing, ("<=", 1.5), Amount(files=100_000),
            Amount(files=1000), "seconds", others=()),
    Scenario(
        "gateway-idle-500", idle, Amount(sessions=500), Amount(sessions=50),
        turns("gateway"), shown="rss per session", figures=(
            Figure("RSS per session, KiB", "rss per session", "gateway",
                   must=("<=", 32)),)),
    bulk("bulk-loopback-aes-down", down, (">=", 0.95), suffix=", AES"),
    bulk("bulk-loopback-aes-up", up, (">=", 0.95), suffix=", AES"),
    bulk("bulk-loopback-default-down", down, (">=", 1.5)),
    bulk("bulk-loopback-default-up", up, (">=", 1.5)),
    bulk("bulk-100ms-down", down, (">=", 6), rtt=100, size=512 * MIB),
    bulk("bulk-20ms-down", down, (">=", 2), rtt=20, size=512 * MIB),
    bulk("first-20ms-down", first, (">=", 1.0), rtt=20, size=256 * MIB,
         others=()),
    bulk("bulk-100ms-up", up, (">=", 1.0), rtt=100, size=256 * MIB),
    Scenario(
        "bulk-100ms-up-4", up, Amount(size=256 * MIB), Amount(size=MIB),
        rtt=100, shown="rate", turns=(
            Turn("culvert --links 4, 4 files", "culvert --links 4",
                 parallel=4),
            Turn("ssh -L", "ssh -L"),
            Turn("ssh -L, 4 files", "ssh -L", parallel=4)),
        figures=(
            Figure("throughput of 4 files / ssh -L, one file", "rate",
                   "culvert --links 4, 4 files", "ssh -L", (">=", 3)),
            Figure("throughput of 4 files / ssh -L, 4 files", "rate",
                   "culvert --links 4, 4 files", "ssh -L, 4 files"))),
    files("curl", curl_files),
    files("lftp", lftp_files),
    Scenario(
        "parallel-4-down", down, Amount(size=512 * MIB),
        Amount(size=8 * MIB), shown="rate", turns=(
            Turn("culvert --links 4, 4 files", "culvert --links 4",
                 parallel=4),
            Turn("culvert, 4 files", "culvert", parallel=4),
            Turn("ssh -L, 4 files", "ssh -L", parallel=4)),
        figures=(
            Figure("total / one link", "rate", "culvert --links 4, 4 files",
                   "culvert, 4 files", (">", 1.2)),)),
    Scenario(
        "idle-1000", idle, Amount(sessions=1000), Amount(sessions=50),
        turns("culvert"), shown="rss per session", figures=(
            Figure("RSS per session, KiB", "rss per session", "culvert",
                   must=("<=", 16)),
            Figure("PSS per session, KiB", "pss per session", "culvert"))),
    Scenario(
        "sessions-1000", sessions, Amount(size=64 * KIB, sessions=1000),
        Amount(size=64 * KIB, sessions=50, at_once=20), ports=500,
        turns=turns("culvert", "ssh -L", "direct"), shown="transfers",
        figures=(
            Figure("failures", "failures", "culvert", must=("=", 0)),
            Figure("transfers/s / ssh -L", "transfers", "culvert", "ssh -L",
                   (">=", 0.9)))),
    cpu("cpu-down", down),
    cpu("cpu-up", up),
)
