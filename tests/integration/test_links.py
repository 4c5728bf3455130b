"""More than one SSH connection (--links): who is on which, and who is cut.

Transfers that stand still keep the links busy: so each new one finds its own.
Which ssh carries a transfer is seen by what the processes read meanwhile.
"""

import contextlib
import hashlib
import os
import signal
import sys

import pytest

import clients
import scripted
from process import Timeout, children, until, wait_gone
from topology import SHAPES, Layout
from transfer import Ftp, make_huge, modes, replies_to_end, wait_size

LINKS = 4
# A window smaller than the file, so that the end is not here yet.
OPTIONS = ["-v", "--links", str(LINKS), "--max-window", "2M"]

# Bytes of a transfer to see which ssh carries it: more than the buffers of
# another transfer can take meanwhile.
PIECE = 1 << 20
PROBE = 24 * PIECE
FILE = 2 * PROBE

CURL = clients.CLIENTS["curl"]


def links_of(culvert):
    """Return the pids of its ssh processes, the first link's first."""
    found = []
    for pid in children(culvert.monitor):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/cmdline") as file:
                words = file.read().split("\0")
            if words[0].endswith("ssh") and "-N" in words:
                found.append(pid)
    return found


def bytes_read(pid):
    """Return how many bytes a process has read so far."""
    with open(f"/proc/{pid}/io") as file:
        return int(file.readline().split()[1])


class Rig:
    """A culvert with several links, its server, and files there.

    inside is where the clients are; directory is ours on the server.
    """

    def __init__(self, stack, culvert, server, directory,
                 inside=contextlib.nullcontext):
        self.stack, self.culvert, self.server = stack, culvert, server
        self.directory, self.inside = directory, inside
        self.name = directory.name
        self.content = os.urandom(FILE)
        (directory / "file").write_bytes(self.content)
        (directory / "small").write_bytes(b"small")
        make_huge(directory / "huge")

    def ftp(self, stack=None):
        """Return a client, logged in, that lives as long as the test."""
        with self.inside():
            return (stack or self.stack).enter_context(
                Ftp(self.culvert, self.server))

    def begin(self, ftp, mode, command, **how):
        """Begin a transfer."""
        with self.inside():
            return ftp.begin(mode, command, **how)

    def get_small(self, ftp, mode):
        """Fetch a small file to its good end."""
        with self.inside():
            assert ftp.fetch(mode, f"RETR {self.name}/small") == b"small"

    def open_links(self, mode, count=LINKS):
        """Have so many links opened, by transfers that are over then."""
        before = self.culvert.mark()
        with contextlib.ExitStack() as stack:
            # One that came when the last was up already asks for no further.
            for number in range(1, 3 * count + 1):
                self.begin(self.ftp(stack), mode,
                           f"RETR {self.name}/huge").read(1)
                if number >= count:
                    with contextlib.suppress(Timeout):
                        self.culvert.wait_log(
                            f"{count} SSH connections to .* are up", 3)
                        break
        for _ in range(number):
            before = self._wait_ended(before)
        assert len(links_of(self.culvert)) == count

    def _wait_ended(self, start):
        self.culvert.wait_log(r"\] ended$", start=start)
        lines = self.culvert.process.lines
        while not lines[start].endswith("] ended"):
            start += 1
        return start + 1

    def downloads(self, mode, count=LINKS):
        """Begin downloads on a link each: a list of (ftp, data, pid).

        The first PROBE bytes of the file are read.
        """
        found = []
        for _ in range(count):
            ftp, before = self.ftp(), {
                pid: bytes_read(pid) for pid in links_of(self.culvert)}
            data = self.begin(ftp, mode, f"RETR {self.name}/file",
                              rcvbuf=65536)
            for place in range(0, PROBE, PIECE):
                data.expect_bytes(self.content[place:place + PIECE])
            found.append((ftp, data, max(
                before, key=lambda pid: bytes_read(pid) - before[pid])))
        return found

    def check_rest(self, ftp, data):
        """Fail unless such a download comes to its good end."""
        with data:
            assert data.read_all() == self.content[PROBE:]
        ftp.expect("226")


@pytest.fixture
def start_rig(server, start_culvert, tmp):
    """Return a function that starts a culvert and returns its Rig."""
    with contextlib.ExitStack() as stack:
        def start(*options, **how):
            one = server("vsftpd")
            return Rig(stack, start_culvert(
                f"0:127.0.0.1:{one.port}",
                options=[*OPTIONS, *options], **how),
                one, one.mkdir(tmp.name))
        yield start


@pytest.fixture
def remote_rig(topology, tmp):
    """Return the Rig of a remote tunnel."""
    layout = Layout("R", *SHAPES["two"])
    one = topology.server("vsftpd", layout.server_role, "ipv4")
    with contextlib.ExitStack() as stack:
        yield Rig(stack, topology.start_culvert(
            "R", [layout.forward("ipv4", one)], topology.sshd(),
            options=OPTIONS),
            one, one.mkdir(tmp.name), topology.far.inside)


@modes
def test_one_after_the_other(mode, start_rig):
    """Single data connections never open a second link."""
    rig = start_rig()
    for _ in range(3):
        ftp = rig.ftp()
        for _ in range(3):
            rig.get_small(ftp, mode)
    assert len(links_of(rig.culvert)) == 1
    assert "opening another SSH" not in rig.culvert.output


@modes
def test_curl(mode, start_rig, tmp):
    """Simultaneous downloads and uploads are whole."""
    rig = start_rig()
    rig.open_links(mode)
    target = clients.Target.behind(rig.culvert, rig.server)
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(LINKS):
            for argv in (
                    CURL.get_argv(target, mode, f"{rig.name}/file",
                                  tmp / f"got-{number}"),
                    CURL._argv(target, mode, "-T", rig.directory / "file",
                               target.url(f"{rig.name}/put-{number}"))):
                running.append(stack.enter_context(
                    CURL._started(target, argv)))
        for child in running:
            result = CURL._finish(child)
            assert result.status == 0, result.output
    digest = hashlib.sha256(rig.content).digest()
    for path in [*tmp.glob("got-*"), *rig.directory.glob("put-*")]:
        assert hashlib.sha256(path.read_bytes()).digest() == digest, path
    assert len(links_of(rig.culvert)) == LINKS


@modes
def test_kill(mode, start_rig):
    """A further ssh is killed: only its transfer is cut, with 426."""
    rig = start_rig()
    rig.open_links(mode)
    idle = rig.ftp()
    running = rig.downloads(mode)
    pids = links_of(rig.culvert)
    assert sorted(pid for _, _, pid in running) == sorted(pids)
    victim = next(one for one in running if one[2] == pids[1])
    running.remove(victim)
    mark = rig.culvert.mark()
    os.kill(victim[2], signal.SIGKILL)
    victim[1].expect_reset()
    victim[0].expect("426")
    rig.culvert.wait_log(
        rf"one of {LINKS} SSH connections to \S+ was lost, and what it "
        "carried: ssh was ended by signal 9", start=mark)
    rig.culvert.wait_log(r'download RETR "\S+/file", \d+ bytes: cut: ',
                         start=mark)
    # All sessions live on, and so can whoever was cut.
    rig.get_small(victim[0], mode)
    rig.get_small(idle, mode)
    # In time there is another link.
    until(lambda: rig.get_small(idle, mode)
          or len(links_of(rig.culvert)) == LINKS, "another link is opened")
    for ftp, data, _ in running:
        rig.check_rest(ftp, data)
        rig.get_small(ftp, mode)
    cut = [line for line in rig.culvert.process.lines[mark:]
           if ": cut: " in line]
    assert len(cut) == 1, cut


@modes
def test_remote(mode, remote_rig):
    """A remote tunnel uses only the first link."""
    rig = remote_rig
    pids = links_of(rig.culvert)
    running = rig.downloads(mode)
    assert [pid for _, _, pid in running] == pids * LINKS
    for ftp, data, _ in running:
        rig.check_rest(ftp, data)
    rig.get_small(rig.ftp(), mode)
    assert links_of(rig.culvert) == pids
    assert "opening another SSH" not in rig.culvert.output


def test_ssh_g_runs_once(start_rig):
    """ssh -G runs once for the ciphers; further links use its result."""
    rig = start_rig()
    rig.open_links("passive")
    assert rig.culvert.output.count("ciphers in this order") <= 1
    assert rig.culvert.output.count("order of ciphers") <= 1
    lists = []
    for pid in links_of(rig.culvert):
        with open(f"/proc/{pid}/cmdline") as file:
            lists.append([word for word in file.read().split("\0")
                          if word.startswith("-oCiphers=")])
    assert lists == lists[:1] * LINKS


@modes
def test_kill_in_curl_uploads(mode, start_rig):
    """Of four uploads by curl one fails, and three files are whole."""
    rig = start_rig()
    rig.open_links(mode)
    target = clients.Target.behind(rig.culvert, rig.server)
    content = rig.content[:8 << 20]
    part = len(content) // 2
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(LINKS):
            child = stack.enter_context(CURL._started(target, CURL._argv(
                target, mode, "-T", "-",
                target.url(f"{rig.name}/put-{number}"))))
            child.stdin.write(content[:part])
            child.stdin.flush()
            wait_size(rig.directory / f"put-{number}", part - (64 << 10))
            running.append(child)
        os.kill(links_of(rig.culvert)[1], signal.SIGKILL)
        rig.culvert.wait_log(r"upload .*: TRUNCATED: .*lost")
        failed = []
        for number, child in enumerate(running):
            # The ssh that was killed may be gone already.
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(content[part:])
                child.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
            child.stdin = None
            if CURL._finish(child).status != 0:
                failed.append(number)
    assert len(failed) == 1, failed
    for number in set(range(LINKS)) - set(failed):
        assert (rig.directory / f"put-{number}").read_bytes() == content
    assert rig.culvert.output.count("TRUNCATED") == 1


def announce(rig, ask):
    """Have a data connection announced on each link, then kill the further.

    ask(ftp) does it.  Returns the sessions, those that have lost theirs first:
    they are told so at RETR, by 425.
    """
    sessions = [rig.ftp() for _ in range(LINKS)]
    for ftp in sessions:
        ask(ftp)
    for pid in links_of(rig.culvert)[1:]:
        os.kill(pid, signal.SIGKILL)
    rig.culvert.wait_log("one of 2 SSH connections .* was lost")
    replies = []
    for ftp in sessions:
        ftp.command(f"RETR {rig.name}/small")
        replies.append(ftp.read_reply())
    assert sorted(text[:3] for text in replies) == ["150", "425", "425",
                                                    "425"], replies
    return [ftp for _, ftp in sorted(
        zip(replies, sessions), key=lambda pair: pair[0], reverse=True)]


def test_port_that_is_lost(start_rig):
    """A PORT whose listener was lost: 425, and the next one works."""
    rig = start_rig()
    rig.open_links("active")
    with scripted.Listener() as listener:
        sessions = announce(rig, lambda ftp: ftp.exchange(
            f"PORT {listener.port_argument()}", "200"))
        with listener.accept() as data:
            assert data.read_all() == b"small"
    sessions[-1].expect("226")
    for ftp in sessions:
        rig.get_small(ftp, "active")
        rig.get_small(ftp, "passive")
    assert "translated" not in rig.culvert.output


# ---- the end ----

@modes
def test_stopped(mode, start_rig):
    """With four links in use: nothing is left."""
    rig = start_rig()
    rig.open_links(mode)
    rig.downloads(mode)
    rig.culvert.stop()


def test_stopped_remote(remote_rig):
    """Each session of a remote tunnel gets 421, through ssh."""
    rig = remote_rig
    running = rig.downloads("passive")
    idle = rig.ftp()
    rig.culvert.see()
    rig.culvert.process.send_signal(signal.SIGTERM)
    replies = replies_to_end(idle)
    assert [text[:3] for text in replies] == ["421"], replies
    for ftp, _, _ in running:
        replies = replies_to_end(ftp)
        assert [text[:3] for text in replies] == ["426", "421"], replies
    assert rig.culvert.process.wait() == 0
    rig.culvert.check_nothing_left()


def test_stopped_while_one_is_opened(start_sshd, start_rig):
    """A further ssh that waits for sshd's version ends, too."""
    sshd = start_sshd()
    rig = start_rig(sshd=sshd)
    pids = [pid for pid in children(sshd.process.pid)]
    os.kill(sshd.process.pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            rig.begin(rig.ftp(), "passive", f"RETR {rig.name}/huge").read(1)
        until(lambda: len(links_of(rig.culvert)) == 2, "a second ssh runs")
        assert len(children(sshd.process.pid)) == len(pids)
        rig.culvert.stop()
    finally:
        os.kill(sshd.process.pid, signal.SIGCONT)


# The first time it connects; then it waits and ignores a hang-up.
PROXY = """
import os, signal, socket, sys, threading
signal.signal(signal.SIGHUP, signal.SIG_IGN)
try:
    os.mkdir(sys.argv[3])
except FileExistsError:
    signal.pause()
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        sock.sendall(data)
    os._exit(0)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""


def test_stopped_with_what_it_started(start_rig, tmp):
    """Processes that a further ssh has started end, also before its login."""
    script = tmp / "proxy.py"
    script.write_text(PROXY)
    rig = start_rig("-o", f"ProxyCommand={sys.executable} {script} %h %p "
                          f"{tmp}/once")
    for _ in range(2):
        rig.begin(rig.ftp(), "passive", f"RETR {rig.name}/huge").read(1)
    until(lambda: len(links_of(rig.culvert)) == 2, "a second ssh runs")
    further = links_of(rig.culvert)[1]
    until(lambda: children(further), "it has started its proxy")
    proxy = children(further)[0]
    assert os.getsid(proxy) == further != os.getsid(links_of(rig.culvert)[0])
    rig.culvert.stop()
    assert wait_gone(proxy)


def test_first_link_killed(start_rig):
    """Everything ends: 426 and 421, status 1."""
    rig = start_rig()
    rig.open_links("passive")
    running = rig.downloads("passive")
    rig.culvert.see()
    os.kill(links_of(rig.culvert)[0], signal.SIGKILL)
    for ftp, data, _ in running:
        data.expect_reset()
        replies = replies_to_end(ftp)
        assert [text[:3] for text in replies] == ["426", "421"], replies
    assert rig.culvert.process.wait() == 1
    assert "the SSH connection to files.test was lost" in rig.culvert.output
    rig.culvert.check()
    rig.culvert.check_nothing_left()


# ---- a link that cannot be had ----

def check_goes_on(rig, why):
    """It is said once, and transfers go on side by side."""
    for _ in range(3):
        rig.begin(rig.ftp(), "passive", f"RETR {rig.name}/huge").read(1)
    rig.culvert.wait_log("cannot open another SSH connection to files.test; "
                         f"continuing with 1 .*--links 4 .*: .*{why}")
    rig.culvert.wait_log("ssh: .*" + why)  # at -v only
    ftp = rig.ftp()
    until(lambda: rig.get_small(ftp, "passive")
          or "failed again" in rig.culvert.output, "another try")
    assert rig.culvert.output.count("cannot open another") == 1
    assert len(links_of(rig.culvert)) == 1


def test_no_second_login(start_sshd, start_rig):
    """The key works for the first link, but not for a second one."""
    sshd = start_sshd()
    rig = start_rig(sshd=sshd)
    os.rename(f"{sshd.dir}/user_key.pub", f"{sshd.dir}/away")
    check_goes_on(rig, "Permission denied")
    os.rename(f"{sshd.dir}/away", f"{sshd.dir}/user_key.pub")
    ftp = rig.ftp()
    until(lambda: rig.get_small(ftp, "passive")
          or "2 SSH connections to files.test are up" in rig.culvert.output,
          "a second link")


def test_server_accepts_no_more(start_sshd, start_rig):
    """sshd accepts no more connections (MaxStartups)."""
    sshd = start_sshd()
    rig = start_rig(sshd=sshd)
    os.kill(sshd.process.pid, signal.SIGTERM)
    assert wait_gone(sshd.process.pid)
    check_goes_on(rig, "refused")
