"""Load: many sessions, some of which transfer at any time, for a while.

No wrong byte, no session that is stuck, and neither memory nor file descriptors
grow.  Short, as scripts/test runs it, that is a few seconds; LOAD_MINUTES=N makes
it what scripts/soak does, 1,000 sessions of which 200 transfer at a time, and
LOAD_REPORT=FILE takes the figures, as JSON.
"""

import hashlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys

import pytest

import servers
from process import count_fds, descendants, rss_kib, until
from test_thousand import TOLERANCE_KIB

MINUTES = float(os.environ.get("LOAD_MINUTES", "0"))
SESSIONS, AT_ONCE = (1000, 200) if MINUTES else (60, 20)
SECONDS = MINUTES * 60 or 6

# Bytes of the files, most of them small.
SIZES = [0, 1, 1000, 4096, 20_000, 65_536, 100_000, 300_000, 1_000_001]

VSFTPD = ("max_per_ip=0", "max_clients=0")


@pytest.fixture
def many_files():
    """Let us, and whoever we start, have as many files open as may be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def one(many_files, ns, directories):
    """Return a vsftpd that lets so many in."""
    server = servers.Server("vsftpd", ns, directories(), "127.0.0.1",
                            lines=VSFTPD)
    yield server
    server.stop()


class Watch:
    """What culvert and its processes take, looked at now and then."""

    def __init__(self, culvert):
        self.pids = {"culvert": culvert.pid, "ssh": culvert.ssh}
        self.seen = {name: [] for name in self.pids}

    def look(self):
        """Note what each has now."""
        for name, pid in self.pids.items():
            self.seen[name].append((rss_kib(pid), count_fds(pid)))

    def figures(self):
        """Return, of each, the medians of the second and the last quarter."""
        found = {}
        for name, seen in self.seen.items():
            quarter = max(len(seen) // 4, 1)
            for what, column in ("KiB", 0), ("files", 1):
                values = [one[column] for one in seen]
                found[f"{name} {what}"] = {
                    "second quarter": statistics.median(
                        values[quarter:2 * quarter] or values),
                    "last quarter": statistics.median(values[-quarter:]),
                    "most": max(values),
                    "records": records(values)}
        return found


def records(values):
    """Return how many of the last half, in percent, exceed all before them."""
    half = len(values) // 2
    count = sum(value > max(values[:place])
                for place, value in enumerate(values) if place >= half > 0)
    return 100 * count // max(len(values) - half, 1)


def make_files(server):
    """Make the files; returns {name: (size, SHA-256)}."""
    files = {}
    for size in SIZES:
        content = os.urandom(size)
        (server.root / f"f{size}").write_bytes(content)
        files[f"f{size}"] = size, hashlib.sha256(content).hexdigest()
    return files


def run_load(plan, watch):
    """Run load.py; returns what it prints."""
    argv = [sys.executable, str(pathlib.Path(__file__).with_name("load.py"))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        try:
            child.stdin.write(json.dumps(plan).encode())
            child.stdin.close()
            while True:
                try:
                    status = child.wait(SECONDS / 100)
                    break
                except subprocess.TimeoutExpired:
                    watch.look()
            assert status == 0
            return json.load(child.stdout)
        finally:
            child.kill()


@pytest.mark.timeout(SECONDS + 600)
def test_load(one, sshd, start_culvert):
    """All transfers are whole, and nothing grows."""
    culvert = start_culvert(
        f"127.0.0.1:0:127.0.0.1:{one.port}", sshd=sshd,
        options=["--max-sessions", str(2 * SESSIONS)])
    watch = Watch(culvert)
    before = count_fds(culvert.pid)
    result = run_load({
        "host": "127.0.0.1", "port": culvert.port, "user": one.user,
        "password": one.password, "sessions": SESSIONS, "at_once": AT_ONCE,
        "seconds": SECONDS, "files": make_files(one),
        "directory": str(one.mkdir("up"))}, watch)
    report = {"sessions at a time": SESSIONS, "transfers at a time": AT_ONCE,
              "seconds": SECONDS, **result, **watch.figures()}
    print(json.dumps(report, indent=4))
    if "LOAD_REPORT" in os.environ:
        pathlib.Path(os.environ["LOAD_REPORT"]).write_text(
            json.dumps(report, indent=4) + "\n")
    assert not result["problems"], result["problems"]
    check_flat(report)
    # Up to 8 listeners are kept.
    until(lambda: count_fds(culvert.pid) <= before + 8,
          "no session is left in culvert")
    until(lambda: not sessions_left(one), "nor in the server")


# What ssh keeps of its memory after a moment in which it needed more: see
# MALLOC_TRIM_THRESHOLD_ in src/ssh/monitor_child.c.
KEPT_KIB = {"culvert": TOLERANCE_KIB, "ssh": 64 << 10}


def check_flat(report):
    """Fail if something has grown, once all sessions were there.

    A leak would make a record of nearly every look.
    """
    if not MINUTES:
        return
    for name in "culvert", "ssh":
        memory, files = report[f"{name} KiB"], report[f"{name} files"]
        assert memory["last quarter"] <= memory["second quarter"] * 1.05 \
            + KEPT_KIB[name], f"{name} grows: {memory}"
        assert memory["records"] <= 30, f"{name} grows steadily: {memory}"
        assert files["last quarter"] <= files["second quarter"] * 1.1 + 10, \
            f"{name} has ever more files open: {files}"


def sessions_left(server):
    """Return the server's processes but the one that listens."""
    return descendants(server.process.pid)
