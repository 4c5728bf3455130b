"""Fixtures of the integration tests.

Every test uses a far network (netns.py): sshd and the FTP servers run in it,
and its packet filter permits only the SSH port.  Tests about where clients
and servers are use four hosts (topology.py).  This requires root.  Each
worker of pytest-xdist makes a far network of its own, starts sshd in it, and
starts each server, and the culvert for it, when a test first needs it.

Environment
    CULVERT=PATH   the program to test; build/culvert if not given
    DIRECT=1       no culvert: clients run in the far network and connect to
                   the servers directly.  This shows what a client and a
                   server cannot do together even without culvert, which the
                   tables CANNOT must list.  For test_matrix.py only.
    HALF=0, HALF=1 run one half of the tests; some files are in both halves.
                   scripts/test runs one half with each build.
    HALVES=SEED    determines the halves; by default the commit, or the version
                   if there is no git.  So a test runs under the sanitizers
                   at about every other commit.  The header of a run shows
                   the seed; with the same seed the halves are the same.

Rules: the kernel chooses ports; tests wait for events, for lines of a log or
for states, with a time-out, but never for a fixed time; each process belongs
to a fixture, which reaps it by its pid; everything that is made is removed.
"""

import itertools
import os
import pathlib
import shutil
import subprocess
import signal
import sys
import tempfile

import pytest

# Compiled modules are outside of the tree, and shared by all workers.
sys.pycache_prefix = str(pathlib.Path(__file__).parents[2] / "build/pycache")
sys.dont_write_bytecode = False

# More fixtures; tests import from them as well.
pytest_plugins = ["sessions", "gatewaycell", "exec_rig"]
pytest.register_assert_rewrite("documents")

import clients
import culvert as culvert_module
import checker as checker_module
import halves
import netns
import scripted
import servers
import ssh_servers
import sshd as sshd_module
import topology as topology_module

DIRECT = os.environ.get("DIRECT") == "1"

# If pytest is a background job of a shell, it ignores SIGINT; the clients that
# tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# These run with both builds; scripts/test runs all other tests once.
BOTH = {"test_cut_client", "test_cut_link", "test_cut_server",
        "test_reconnect", "test_refusals", "test_reload", "test_strangers"}


def pytest_report_header():
    """Show which half this is, so that it can be run again."""
    if "HALF" not in os.environ:
        return None
    # For the workers of pytest-xdist.
    os.environ["HALVES"] = halves.seed()
    return f"HALF={os.environ['HALF']} HALVES={os.environ['HALVES']}"


def pytest_collection_modifyitems(config, items):
    """Run the long tests first; leave out the other half."""
    items.sort(key=lambda item: item.module.__name__ not in LONG)
    half = os.environ.get("HALF")
    if half is None:
        return
    seed = halves.seed()
    out = [item for item in items if item.module.__name__ not in BOTH and
           halves.half_of(seed, item.nodeid) != int(half)]
    config.hook.pytest_deselected(items=out)
    gone = set(out)
    items[:] = [item for item in items if item not in gone]


# Files with long tests.  They run first; otherwise one worker might run a long
# test at the end, while the others have nothing to do.
LONG = ["test_thousand", "test_property", "test_faults", "test_client_gone"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker few tests at a time.

    Otherwise one worker might have a long queue at the end, and others none.
    """
    from xdist.scheduler.load import LoadScheduling

    class FewAtATime(LoadScheduling):
        """--dist load, with that difference."""

        def _send_tests(self, node, num):
            super()._send_tests(node, min(num, 6))

    if config.getvalue("dist") == "load":
        return FewAtATime(config, log)
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the log of each culvert of a failed test, since the test began."""
    report = (yield).get_result()
    if report.failed:
        for one, place in getattr(item, "culverts", []):
            report.sections.append(
                ("culvert says", "\n".join(
                    line for line in one.process.lines[place:]
                    if "ssh: debug" not in line)))


def _note(node, one, place):
    if not hasattr(node, "culverts"):
        node.culverts = []
    node.culverts.append((one, place))


@pytest.fixture(scope="session")
def directories():
    """Return a function that makes a new, empty directory.

    The paths are short, because they contain sockets, and readable by
    everybody, because servers that are not root use them.
    """
    base = pathlib.Path(tempfile.mkdtemp(prefix="cvt-"))
    base.chmod(0o755)
    numbers = itertools.count()

    def make():
        path = base / str(next(numbers))
        path.mkdir()
        return path

    yield make
    shutil.rmtree(base)


@pytest.fixture
def tmp(directories):
    """Return an empty directory for this test."""
    path = directories()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def ns():
    """Return the far network namespace; without it, all tests fail."""
    try:
        namespace = netns.Namespace()
    except netns.NoNamespace as error:
        pytest.fail(str(error), pytrace=False)
    yield namespace
    namespace.close()


@pytest.fixture(scope="session")
def sshd(ns, directories):
    """Return the sshd that most tests use, without special options."""
    server = sshd_module.Sshd(ns, directories(), [sshd_module.QUICK])
    yield server
    server.stop()


@pytest.fixture
def start_sshd(ns, directories):
    """Return a function that starts one more sshd.

    Its arguments are lines of sshd_config: "AllowTcpForwarding local".
    """
    started = []

    def start(*options):
        started.append(sshd_module.Sshd(ns, directories(), options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def start_ssh_server(ns, directories):
    """Return a function that starts an SSH server of a kind (SSH_SERVERS)."""
    started = []

    def start(kind):
        started.append(ssh_servers.SSH_SERVERS[kind](ns, directories()))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def server(ns, directories):
    """Return a function that returns a running FTP server of a kind.

    The tests share these servers: use file names of your own below
    server.root, and do not stop a server.  See start_server for that.
    """
    running = {}

    def get(kind, address="127.0.0.1"):
        if (kind, address) not in running:
            running[kind, address] = servers.Server(
                kind, ns, directories(), address)
        return running[kind, address]

    yield get
    for one in running.values():
        one.stop()


@pytest.fixture
def start_server(ns, directories):
    """Return a function that starts an FTP server for this test alone."""
    started = []

    def start(kind, address="127.0.0.1", **how):
        started.append(servers.Server(kind, ns, directories(), address, **how))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def far_server(ns):
    """Return a scripted FTP server's listener in the far network."""
    with scripted.server(ns) as one:
        yield one


@pytest.fixture
def start_culvert(request, sshd, directories):
    """Return a function that starts a culvert for this test.

    start("0:127.0.0.1:21", ..., sshd=..., host=..., options=["-v"], env={},
    ready=True).  If the culvert still runs at the end of the test, it is
    stopped, with all checks of Culvert.stop().
    """
    started = []

    def start(*forwards, sshd=sshd, **how):
        one = culvert_module.Culvert(
            directories(), forwards, sshd.config, **how)
        started.append(one)
        _note(request.node, one, 0)
        return one

    yield start
    _stop_all(started)


def _stop_all(started):
    problems = []
    for one in started:
        try:
            if one.alive():
                one.stop()
            one.check()
        except AssertionError as error:
            problems.append(str(error))
        finally:
            one.kill()
    assert not problems, "\n".join(problems)


@pytest.fixture
def start_up(request, directories):
    """Return a function that starts `culvert up` for this test.

    start(path, "plant", ..., listeners=1, options=["-v"]).  At the end of the
    test it is stopped as by start_culvert.
    """
    started = []

    def start(path, *names, listeners=1, **how):
        one = culvert_module.Up(directories(), path, names, listeners, **how)
        started.append(one)
        _note(request.node, one, 0)
        return one

    yield start
    _stop_all(started)


@pytest.fixture
def checker(tmp):
    """Return a function that runs `culvert check` with an empty home.

    checker("-F", sshd.config, ..., sshd.host) returns a Report.
    """
    return checker_module.Checker(tmp)


@pytest.fixture(scope="session")
def _tunnels(sshd, server, directories):
    running = {}

    def get(kind):
        if kind in running and not running[kind].alive():
            running.pop(kind).kill()  # the test that used it has failed
        if kind not in running:
            running[kind] = culvert_module.Culvert(
                directories(),
                [f"0:127.0.0.1:{server(kind).port}",
                 f"[::1]:0:[::1]:{server(kind, '::1').port}"],
                sshd.config, options=["-v"])
        return running[kind]

    yield get
    try:
        for one in running.values():
            if one.alive():
                one.stop()
    finally:
        for one in running.values():
            one.kill()


@pytest.fixture
def target(request, server, ns):
    """Return a function that returns a Target: an FTP server through culvert.

    Its arguments are the kind of the server, and the family, "ipv4" or "ipv6",
    of the near and the far side.  The tests of a worker share the culverts,
    which are checked after each test.
    """
    used = []

    def get(kind, family="ipv4"):
        one = server(kind, "::1" if family == "ipv6" else "127.0.0.1")
        if DIRECT:
            return clients.Target(one.address, one.port, one.user,
                                  one.password, ns.argv, ns.call)
        tunnel = request.getfixturevalue("_tunnels")(kind)
        used.append(tunnel)
        _note(request.node, tunnel, tunnel.mark())
        host, port = tunnel.listeners[1 if family == "ipv6" else 0]
        return clients.Target(host, port, one.user, one.password)

    yield get
    for tunnel in used:
        assert tunnel.alive(), f"culvert has ended:\n{tunnel.output}"
        tunnel.check()


@pytest.fixture(scope="session")
def _topology(directories):
    try:
        hosts = topology_module.Topology(directories)
    except netns.NoNamespace as error:
        pytest.fail(str(error), pytrace=False)
    yield hosts
    hosts.close()


@pytest.fixture
def topology(request, _topology):
    """Return the four hosts; fails if there was other traffic than SSH."""
    _topology.begin(lambda one, place: _note(request.node, one, place))
    yield _topology
    _topology.end()


@pytest.fixture
def small_disk(tmp):
    """Return a function that makes a file system of a size, such as "64k"."""
    path = tmp / "disk"

    def make(size):
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs",
                        path], check=True)
        return path

    yield make
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def folder(server, tmp):
    """Return a function that makes a directory on the server of a kind.

    It returns (path, name); both are removed at the end of the test.
    """
    made = []

    def get(kind, address="127.0.0.1"):
        made.append(server(kind, address).mkdir(tmp.name))
        return made[-1], tmp.name

    yield get
    for path in made:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
