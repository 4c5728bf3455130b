"""-f: ssh asks on the terminal, then culvert goes to the background."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import types

import pytest

import cli
import culvert
import scripted
from process import FAILSAFE, children, descendants, until, wait_gone
from test_cli_terminal import locked_key, unknown_host  # noqa: F401
from test_up import conf, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


def private_directories(home):
    """What culvert makes for itself while it runs."""
    return [path for path in home.glob("culvert.*") if path.is_dir()]


class Behind:
    """The culvert that has gone to the background."""

    def __init__(self, home):
        self.home = home
        self.env = cli.environment(home)
        status = self.tell("status", "--json")
        assert status.returncode == 0, status.stderr
        self.status = json.loads(status.stdout)
        self.pid = self.status["pid"]

    def tell(self, *argv):
        """Run culvert with these arguments."""
        return subprocess.run(
            [*culvert.only(self.home), culvert.PROGRAM, *argv], env=self.env,
            text=True, capture_output=True, timeout=FAILSAFE)

    @property
    def monitor(self):
        """The pid of its monitor."""
        return culvert.monitor_of(self.pid)

    def all_ssh(self):
        """The pids of its ssh processes."""
        return culvert.all_ssh_of(self.pid)

    @property
    def ftp(self):
        """What Ftp wants to know."""
        at, = (tunnel["listening"]
               for destination in self.status["destinations"]
               for tunnel in destination["tunnels"])
        host, port = at.rsplit(":", 1)
        return types.SimpleNamespace(listeners=[(host, int(port))])

    def stop(self):
        """Stop it; nothing is left."""
        kin = [self.pid, *descendants(self.pid)]
        done = self.tell("stop", "--wait")
        assert done.returncode == 0, done.stderr
        assert all(wait_gone(pid) for pid in kin)
        assert not private_directories(self.home)


@pytest.fixture
def behind(tmp):
    """Return a function: the one in the background, which the end stops."""
    found = []

    def find():
        found.append(Behind(tmp))
        return found[-1]

    yield find
    for one in found:
        if not wait_gone(one.pid, 0):
            one.stop()
    assert not private_directories(tmp), "a private directory is left"


@pytest.fixture
def terminal(tmp):
    """Return a function that runs culvert -f on a terminal of its own."""
    with cli.terminals(tmp) as run:
        yield run


@pytest.fixture
def password(start_sshd, tmp):
    """Return an ssh_config for an account whose password is "hunter2"."""
    return cli.password_config(start_sshd, tmp)


@pytest.fixture
def ftpd(server, tmp):
    """A real FTP server, with a file for this test."""
    one = server("vsftpd")
    one.mkdir(tmp.name)
    (one.root / tmp.name / "file").write_bytes(b"content")
    return one


def check_works(one, ftpd, tmp):
    """A file comes through it."""
    with Ftp(one.ftp, ftpd) as ftp:
        for mode in "passive", "active":
            assert ftp.fetch(mode, f"RETR {tmp.name}/file") == b"content"


def check_away(pid, own_session=True):
    """It has nothing of the terminal."""
    if own_session:
        assert os.getsid(pid) == pid
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            assert not os.readlink(f"/proc/{pid}/fd/{fd}").startswith(
                ("/dev/pts", "/dev/tty")), fd


def test_password(terminal, password, ftpd, behind, tmp):
    """ssh asks, without echo; then status 0, and the terminal may be closed.
    """
    one = terminal("-f", "-F", password, "-L", f"0:127.0.0.1:{ftpd.port}",
                   "files.test")
    one.wait_for("password: ")
    assert not one.echoes() and "listening on" not in one.text
    one.type("hunter2\n")
    assert one.wait() == 0, one.text
    assert "listening on" in one.text and "hunter2" not in one.text
    assert one.echoes()
    away = behind()
    check_away(away.pid)
    check_away(away.monitor)
    ssh, = away.all_ssh()
    check_away(ssh, own_session=False)
    check_works(away, ftpd, tmp)
    # A script has no jobs of its own: ssh is in its process group.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP,
                   signal.SIGHUP):
        os.killpg(one.pid, number)
    one.hang_up()
    check_works(away, ftpd, tmp)
    assert away.all_ssh() == [ssh]


def test_password_is_not_kept(terminal, password, behind):
    """When the link is lost, nobody is asked, and culvert ends."""
    one = terminal("-f", "-F", password, "-L", "0:h:21", "files.test")
    one.wait_for("password: ")
    one.type("hunter2\n")
    assert one.wait() == 0, one.text
    away = behind()
    ssh, = away.all_ssh()
    os.kill(ssh, signal.SIGKILL)
    assert wait_gone(away.pid)
    assert one.wait() == 0 and one.text.count("password:") == 1, one.text


def test_key_connects_again(terminal, sshd, ftpd, behind, tmp):
    """culvert reconnects with a key, without the terminal."""
    one = terminal("-f", "-F", sshd.config, "-L", f"0:127.0.0.1:{ftpd.port}",
                   "files.test")
    assert one.wait() == 0, one.text
    away = behind()
    first, = away.all_ssh()
    os.kill(first, signal.SIGKILL)
    second = until(lambda: next(iter(set(away.all_ssh()) - {first}), None),
                   "the next ssh")
    assert os.getsid(second) != one.pid
    check_works(away, ftpd, tmp)


@pytest.mark.parametrize("answer, status, words", [
    ("no\n", 255, "Host key verification failed."),
    ("\x03", -signal.SIGINT, ""),
    ("\x1c", -signal.SIGQUIT, ""),
])
def test_refused_at_a_question(answer, status, words, terminal, unknown_host,
                               tmp):
    """No, Ctrl-C and Ctrl-\\: the exit status comes in the foreground."""
    one = terminal("-f", "-F", unknown_host, "-L", "0:h:21", "files.test")
    one.wait_for("Are you sure")
    below = descendants(one.pid)
    assert len(below) >= 3
    one.type(answer)
    assert one.wait() == status, one.text
    assert words in one.text and "listening on" not in one.text
    assert one.echoes()
    assert all(wait_gone(pid) for pid in below)
    assert not private_directories(tmp)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP,
                                    signal.SIGKILL])
def test_foreground_killed(number, terminal, locked_key, tmp):
    """SIGKILL of the foreground process ends everything it waits for."""
    one = terminal("-f", "-F", locked_key, "-L", "0:h:21", "files.test")
    one.wait_for("Enter passphrase")
    below = descendants(one.pid)
    assert len(below) >= 3
    os.kill(one.pid, number)
    assert one.wait() == -number, one.text
    assert all(wait_gone(pid) for pid in below)
    assert not private_directories(tmp)


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("option, status", [("-f", -signal.SIGTERM),
                                            ("-v", 0)])
@pytest.mark.parametrize("command", ["sleep 600", "sh -c 'sleep 600; true'"],
                         ids=["program", "script"])
def test_terminated_in_a_job(command, option, status, ignored, tmp):
    """SIGTERM ends a background job of a script, and its ssh.

    Such a job ignores SIGINT, and with nohup SIGHUP.
    """
    one = subprocess.Popen(
        [culvert.PROGRAM, option, "-F", "/dev/null", "-o",
         f"ProxyCommand={command}", "-L", "0:h:21", "host"],
        env=cli.environment(tmp), stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(ignored, signal.SIG_IGN))
    until(lambda: "sleep" in map(culvert.process_name, descendants(one.pid)),
          "ssh and its ProxyCommand")
    below = descendants(one.pid)
    one.terminate()
    assert one.wait(FAILSAFE) == status
    assert all(wait_gone(pid) for pid in below)
    assert not private_directories(tmp)


def test_hang_up_at_a_question(terminal, locked_key, tmp):
    """The terminal is closed while ssh asks: nothing is left."""
    one = terminal("-f", "-F", locked_key, "-L", "0:h:21", "files.test")
    one.wait_for("Enter passphrase")
    below = descendants(one.pid)
    one.hang_up()
    assert one.wait() == -signal.SIGHUP
    assert all(wait_gone(pid) for pid in below)
    assert not private_directories(tmp)


def test_stopped_at_a_question(terminal, locked_key, behind):
    """culvert stop while ssh asks: a failure."""
    one = terminal("-f", "-F", locked_key, "-L", "0:h:21", "files.test")
    one.wait_for("Enter passphrase")
    behind().stop()
    assert one.wait() == 1, one.text
    assert "culvert was stopped before it could go to the background" \
        in one.text


def test_failures(tmp, sshd):
    """Messages and exit status are those without -f."""
    config = ("-F", sshd.config)
    with scripted.Listener() as taken:
        status, said = cli.run(tmp, "-f", *config, "-L",
                               f"{taken.port}:h:21", "files.test")
        assert status == 1 and "cannot listen on" in said, said
    status, said = cli.run(tmp, "-f", *config, "-o", "HostKeyAlias=unknown",
                           "-L", "0:h:21", "files.test")
    assert status == 255 and "ssh could not connect to files.test" in said, said
    status, said = cli.run(tmp, "-f", *config, "--ssh", "/nowhere/ssh",
                           "-L", "0:h:21", "files.test")
    assert status == 1 and "cannot run /nowhere/ssh" in said, said


def test_output_ends(tmp, sshd, ftpd, behind):
    """A reader of its output sees the end of file, not only the exit."""
    status, said = cli.run_and_keep(
        tmp, "-f", "-F", sshd.config, "-L", f"0:127.0.0.1:{ftpd.port}",
        "files.test")
    assert status == 0 and "listening on" in said, said
    away = behind()
    check_works(away, ftpd, tmp)
    # Later log lines are dropped, without other effects.
    ssh, = away.all_ssh()
    os.kill(ssh, signal.SIGKILL)
    until(lambda: set(away.all_ssh()) - {ssh}, "the next ssh")
    check_works(away, ftpd, tmp)


def test_log_file(tmp, sshd, behind):
    """Standard error that is a file is kept."""
    log = tmp / "log"
    with open(log, "w") as file:
        done = subprocess.run(
            [culvert.PROGRAM, "-f", "-F", sshd.config, "-L", "0:h:21",
             "files.test"], env=cli.environment(tmp), stdin=subprocess.DEVNULL,
            stderr=file, timeout=FAILSAFE, check=True)
    assert done.returncode == 0 and "listening on" in log.read_text()
    away = behind()
    ssh, = away.all_ssh()
    os.kill(ssh, signal.SIGKILL)
    until(lambda: "was lost" in log.read_text(), "the loss in the log")


def test_verbose(terminal, sshd, behind):
    """-v: standard error is kept, as with ssh -f -v."""
    one = terminal("-f", "-v", "-F", sshd.config, "-L", "0:127.0.0.1:1",
                   "files.test")
    one.wait_for("going to the background")
    (host, port), = behind().ftp.listeners
    with scripted.client(host, port) as client:
        client.expect("421")
    one.wait_for("[1] control connection from")
    assert one.wait() == 0


def fill(writer):
    """Write until it takes no more."""
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x"):
            pass
    os.set_blocking(writer, True)


def test_nobody_reads(tmp, sshd, ftpd, behind):
    """Standard error is full: messages are dropped, and culvert continues."""
    reader, writer = os.pipe()
    fill(writer)
    done = subprocess.run(
        [culvert.PROGRAM, "-f", "-F", sshd.config, "-L",
         f"0:127.0.0.1:{ftpd.port}", "files.test"], env=cli.environment(tmp),
        stdin=subprocess.DEVNULL, stderr=writer, timeout=FAILSAFE, check=False)
    assert done.returncode == 0
    os.close(writer)
    with open(reader) as file:
        assert set(file.read()) == {"x"}
    check_works(behind(), ftpd, tmp)


def test_nobody_reads_a_failure(tmp, sshd):
    """Standard error is full, and ssh cannot log in."""
    reader, writer = os.pipe()
    fill(writer)
    done = subprocess.run(
        [culvert.PROGRAM, "-f", "-F", sshd.config, "-o",
         "HostKeyAlias=unknown", "-L", "0:h:21", "files.test"],
        env=cli.environment(tmp), stdin=subprocess.DEVNULL, stderr=writer,
        timeout=FAILSAFE, check=False)
    assert done.returncode == 255
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT,
                                    signal.SIGHUP])
def test_ready_and_a_signal(number, tmp, sshd, behind):
    """The foreground process gets both at once: the signal ends both."""
    with open(tmp / "log", "w") as file:
        one = subprocess.Popen(
            [culvert.PROGRAM, "-f", "-v", "-F", sshd.config, "-L", "0:h:21",
             "files.test"], env=cli.environment(tmp), stderr=file,
            stdin=subprocess.DEVNULL)
    until(lambda: children(one.pid), "the other process")
    one.send_signal(signal.SIGSTOP)
    until(lambda: "going to the background" in (tmp / "log").read_text(),
          "the other process is ready")
    away = behind()
    kin = [away.pid, *descendants(away.pid)]
    one.send_signal(number)
    one.send_signal(signal.SIGCONT)
    assert one.wait(FAILSAFE) == -number
    assert all(wait_gone(pid) for pid in kin)
    assert not private_directories(tmp)


def test_remote(tmp, sshd, ftpd, behind):
    """-R: sshd listens when the foreground process has ended."""
    status, said = cli.run_and_keep(
        tmp, "-f", "-F", sshd.config, "-R", f"0:127.0.0.1:{ftpd.port}",
        "files.test")
    assert status == 0 and "of files.test" in said, said
    behind()


def test_on_demand(tmp, sshd, ftpd, behind):
    """It listens, and connects for the first client."""
    status, said = cli.run_and_keep(
        tmp, "-f", "--on-demand", "-F", sshd.config, "-L",
        f"0:127.0.0.1:{ftpd.port}", "files.test")
    assert status == 0 and "listening on" in said, said
    away = behind()
    assert not away.all_ssh()
    check_works(away, ftpd, tmp)
    ssh, = away.all_ssh()
    assert os.getsid(ssh) == away.monitor


def test_on_demand_asks_nobody(terminal, locked_key, behind):
    """A key that needs a passphrase: 421, and no prompt."""
    one = terminal("-f", "--on-demand", "-F", locked_key, "-L", "0:h:21",
                   "files.test")
    assert one.wait() == 0, one.text
    away = behind()
    (host, port), = away.ftp.listeners
    with scripted.client(host, port) as client:
        assert "Permission denied" in client.expect("421")
    assert one.wait() == 0 and "passphrase" not in one.text


def test_up(conf, sshd, ftpd, behind, tmp):
    """culvert up --background; a reload finds its file."""
    path = conf(plant=to(sshd, ftpd))
    status, said = cli.run_and_keep(tmp, "up", "-f", str(path), "--background",
                                    "plant")
    assert status == 0 and "plant: listening on" in said, said
    away = behind()
    check_works(away, ftpd, tmp)
    conf(plant=to(sshd, ftpd), bank=to(sshd, ftpd))
    assert away.tell("reload").returncode == 0


def test_up_unreachable(conf, sshd, ftpd, behind, tmp):
    """A destination that cannot be reached is logged, and retried."""
    path = conf(plant=to(sshd, ftpd),
                bank=[*to(sshd, ftpd), "o = HostKeyAlias=unknown"])
    status, said = cli.run_and_keep(tmp, "up", "-f", str(path), "--background",
                                    "--all")
    assert status == 0, said
    assert "plant: listening on" in said, said
    assert "ssh could not connect to files.test" in said, said
    away = behind()
    assert {"up"} < {one["state"] for one in away.status["destinations"]}


def test_service_manager(tmp, sshd, behind):
    """It is told the process to watch."""
    path = tmp / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(FAILSAFE)
        status, said = cli.run_and_keep(
            tmp, "-f", "-F", sshd.config, "-L", "0:h:21", "files.test",
            NOTIFY_SOCKET=str(path))
        assert status == 0, said
        assert sock.recv(4096).decode() == f"MAINPID={behind().pid}"
        assert sock.recv(4096).decode() == "READY=1"


def test_check_ignores_it(tmp, sshd):
    """culvert check accepts and ignores -f."""
    status, said = cli.run(tmp, "check", "--background", "-F", sshd.config,
                           "-L", "0:127.0.0.1:1", "files.test")
    assert status in (1, 3) and "unknown option" not in said, said
