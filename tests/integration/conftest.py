"""Fixtures of the integration tests.

Every test goes through a far network (netns.py) in which sshd and the FTP
servers live and which lets in nothing but the SSH port; those that are about
where clients and servers are have four hosts of their own (topology.py).  It
takes root.  A
worker of pytest-xdist makes one for itself, lazily: sshd once, each server and
the culvert before it when a test first asks for them.

Environment
    CULVERT=PATH   the program to test; build/culvert if not given
    DIRECT=1       no culvert: clients run in the far network and talk to the
                   servers themselves.  Shows what a pair cannot do at all,
                   which is what the tables CANNOT must say, and no more.
                   For test_matrix.py only.
    HALF=0, HALF=1 one half of the tests only, but for some files: scripts/test
                   runs one half with each build.
    HALVES=SEED    which tests make up a half; the commit if not given, and the
                   version where there is no git.  So each test is run under
                   the sanitizers by about every other commit.  The head of
                   the run shows it, and with it the same halves come again.

Rules: ports are the kernel's; what is waited for is an event, a line of a log
or a state, with a failsafe, never time; each process is a fixture's, and
reaped by its pid; what is made is removed.
"""

import itertools
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

# What is compiled stays out of the tree, and is not made anew by each worker.
sys.pycache_prefix = str(pathlib.Path(__file__).parents[2] / "build/pycache")
sys.dont_write_bytecode = False

# More fixtures; tests import from them as well.
pytest_plugins = ["sessions"]
pytest.register_assert_rewrite("documents")

import clients
import culvert as culvert_module
import checker as checker_module
import halves
import netns
import servers
import ssh_servers
import sshd as sshd_module
import topology as topology_module

DIRECT = os.environ.get("DIRECT") == "1"

# A shell's background job ignores SIGINT, and so would all that it starts: the
# clients that are to be interrupted too.
signal.signal(signal.SIGINT, signal.default_int_handler)


# What is run with both builds; of all others scripts/test has each test once.
BOTH = {"test_cut_client", "test_cut_link", "test_cut_server",
        "test_reconnect", "test_refusals", "test_reload", "test_strangers"}


def pytest_report_header():
    """Say which half this is, so that it can be run again."""
    if "HALF" not in os.environ:
        return None
    # The workers of pytest-xdist find it here.
    os.environ["HALVES"] = halves.seed()
    return f"HALF={os.environ['HALF']} HALVES={os.environ['HALVES']}"


def pytest_collection_modifyitems(config, items):
    """Put the long ones first; leave out the other half."""
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


# Each with a test that takes long: they come first, so that at the end no
# worker has one of them to itself.
LONG = ["test_thousand", "test_property", "test_faults", "test_client_gone"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give out few tests at a time.

    So that at the end no worker has a long queue while others have none.
    """
    from xdist.scheduler.load import LoadScheduling

    class FewAtATime(LoadScheduling):
        """As --dist load, but for that."""

        def _send_tests(self, node, num):
            super()._send_tests(node, min(num, 6))

    if config.getvalue("dist") == "load":
        return FewAtATime(config, log)
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show what each culvert of a failed test has said since it began."""
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

    The paths are short, since sockets are put there, and open to all, since
    servers that are not root serve them.
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
    """Return the far network namespace; without one, nothing passes."""
    try:
        namespace = netns.Namespace()
    except netns.NoNamespace as error:
        pytest.fail(str(error), pytrace=False)
    yield namespace
    namespace.close()


@pytest.fixture(scope="session")
def sshd(ns, directories):
    """Return the sshd that most tests go through, with no special options."""
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
    """Return a function: kind (of SSH_SERVERS) to an SSH server."""
    started = []

    def start(kind):
        started.append(ssh_servers.SSH_SERVERS[kind](ns, directories()))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def server(ns, directories):
    """Return a function: (kind, address) to the running FTP server.

    They are shared: use names of your own below server.root, and leave it
    running.  For one to kill, see start_server.
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
def start_culvert(request, sshd, directories):
    """Return a function that starts a culvert for this test.

    start("0:127.0.0.1:21", ..., sshd=..., host=..., options=["-v"], env={},
    ready=True).  It is stopped at the end of the test, with all checks of
    Culvert.stop(), unless the test has stopped it or waited for its end.
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

    start(path, "plant", ..., listeners=1, options=["-v"]); it ends as those
    of start_culvert do.
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
    """Return a function that runs `culvert check`, with an empty home.

    checker("-F", sshd.config, ..., sshd.host) returns a Report.
    """
    return checker_module.Checker(tmp)


@pytest.fixture(scope="session")
def _tunnels(sshd, server, directories):
    running = {}

    def get(kind):
        if kind in running and not running[kind].alive():
            running.pop(kind).kill()  # an earlier test has said so
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
    """Return a function: (kind, family) to where a client goes for it.

    Family is "ipv4" or "ipv6", for both legs of the way.  The culverts are
    shared by the tests of a worker, and looked at after each.
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
    """Return the four hosts; afterwards nothing but SSH was between them."""
    _topology.begin(lambda one, place: _note(request.node, one, place))
    yield _topology
    _topology.end()


@pytest.fixture
def folder(server, tmp):
    """Return a function: kind to a directory of our own, (path, its name)."""
    made = []

    def get(kind, address="127.0.0.1"):
        made.append(server(kind, address).mkdir(tmp.name))
        return made[-1], tmp.name

    yield get
    for path in made:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
