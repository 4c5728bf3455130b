"""What the running process may do: privileges, --user.

That the filters deny what they should is shown in tests/unit/test_confine.c;
here, that the real program has them on, and works under them.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import types

import pytest

import cli
import culvert
import scripted
from process import FAILSAFE, until, wait_gone
from servers import NOBODY
from transfer import MODES, Ftp

STAGES = ["no new privileges", "no io_uring", "capability bounding set",
          "no capabilities", "no core file, no tracing",
          r"Landlock \(ABI \d+\)", "seccomp"]

BIND = 1 << 10  # CAP_NET_BIND_SERVICE


def status(pid):
    """Return /proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


def capabilities(pid):
    """Return its capability sets, by name, as numbers."""
    return {key: int(value, 16) for key, value in status(pid).items()
            if key.startswith("Cap")}


def check_confined(pid, keep=0):
    """Fail unless that process, and each thread of it, is confined."""
    # An io_uring would bypass the filter.
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            assert "io_uring" not in os.readlink(f"/proc/{pid}/fd/{fd}")
    for task in os.listdir(f"/proc/{pid}/task"):
        got = status(task)
        assert got["NoNewPrivs"] == "1", got
        assert got["Seccomp"] == "2", got
        assert capabilities(task) == {
            "CapInh": 0, "CapPrm": keep, "CapEff": keep, "CapBnd": 0,
            "CapAmb": 0}


def comm(pid):
    """Return the name of a process, as ps shows it."""
    with open(f"/proc/{pid}/comm") as file:
        return file.read().rstrip("\n")


@pytest.fixture
def nobodys_sshd(tmp, sshd):
    """Return an sshd whose files for clients are nobody's."""
    config = tmp / "config"
    with open(sshd.config) as file:
        config.write_text(file.read().replace(f"{sshd.dir}/", f"{tmp}/"))
    for name in "known_hosts", "user_key":
        (tmp / name).write_bytes((pathlib.Path(sshd.dir) / name).read_bytes())
        (tmp / name).chmod(0o600)
        os.chown(tmp / name, NOBODY, -1)
    return types.SimpleNamespace(config=str(config))


@pytest.fixture
def as_nobody(nobodys_sshd, start_culvert):
    """Return a function that starts a culvert with --user nobody.

    Its clients are root's, hence --any-user.
    """
    def start(*forwards, options=(), **how):
        return start_culvert(*forwards, sshd=nobodys_sshd, open_to_all=True,
                             options=["-v", "--user", "nobody",
                                      "--any-user", *options],
                             **how)
    return start


def transfer(one, server, name):
    """Get a file in both modes."""
    content = os.urandom(1 << 20)
    (server.mkdir(name) / "file").write_bytes(content)
    for mode in MODES:
        with Ftp(one, server) as ftp:
            assert ftp.fetch(mode, f"RETR {name}/file") == content


# ---- root, without --user ----

def test_stages(start_culvert, server, tmp):
    """-v logs each stage; the process has them, and works."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}",
                        options=["-v"])
    said = [line.removeprefix("culvert: ") for line in one.process.lines
            if "confined: " in line]
    assert len(said) == len(STAGES), said
    for line, stage in zip(said, STAGES):
        if stage.startswith("Landlock"):
            # A kernel may not have this one.
            stage += ("$|^not confined: Landlock: the kernel does not "
                      "support it")
        elif "core" in stage and culvert.sanitized():
            assert line.startswith("not confined: "), line
            continue
        assert re.search(f"^confined: {stage}$", line), line
    check_confined(one.pid)
    transfer(one, server("vsftpd"), tmp.name)


def test_monitor(start_culvert, server):
    """The monitor and ssh are not confined; the monitor has its own name."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}")
    assert comm(one.monitor) == "culvert-monitor"
    for pid in one.monitor, one.ssh:
        assert status(pid)["NoNewPrivs"] == "0"
        assert status(pid)["Seccomp"] == "0"
    fds = {int(fd): os.readlink(f"/proc/{one.monitor}/fd/{fd}")
           for fd in os.listdir(f"/proc/{one.monitor}/fd")}
    # Besides standard error, opened once more: the main process, SIGCHLD.
    kinds = {name.split(":")[0] for fd, name in fds.items()
             if fd > 2 and name != fds[2]}
    assert kinds == {"socket", "anon_inode"}


def test_threads(start_culvert, ns):
    """The threads that look up names are confined, too (-R)."""
    with scripted.Listener(kind=scripted.Control) as near:
        one = start_culvert(remotes=[f"0:localhost:{near.port}"])
        with scripted.client("127.0.0.1", one.port, side=ns) as client, \
                near.accept() as server:
            server.reply("220 hello")
            client.expect("220")
    assert len(os.listdir(f"/proc/{one.pid}/task")) > 1
    check_confined(one.pid)


def test_not_confined(start_culvert, server):
    """--no-confine: neither filter, but all other stages."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}",
                        options=["-v", "--no-confine"])
    one.wait_log("not confined: Landlock, seccomp: --no-confine")
    got = status(one.pid)
    assert (got["NoNewPrivs"], got["Seccomp"]) == ("1", "0")
    assert capabilities(one.pid)["CapEff"] == 0


def test_low_client_ports(start_culvert, server, tmp):
    """With client ports below 1024, the capability to bind them is kept."""
    one = start_culvert(f"127.0.0.78:0:127.0.0.1:{server('vsftpd').port}",
                        options=["--client-ports", "900-910"])
    check_confined(one.pid, BIND)
    transfer(one, server("vsftpd"), tmp.name)


def test_ssh_is_started_again(start_culvert, server):
    """ssh is started again by the confined process."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}", retry=None)
    before = one.ssh
    os.kill(before, signal.SIGKILL)
    one.wait_log("connected to files.test again")
    assert one.ssh != before
    check_confined(one.pid)


# ---- its end ----

def kin(one):
    """Return the monitor and ssh."""
    return [one.monitor, one.ssh]


def test_killed(start_culvert, server):
    """SIGKILL: no ssh, no monitor and no directory is left."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}",
                        options=["--links", "2"])
    pids = kin(one)
    os.kill(one.pid, signal.SIGKILL)
    for pid in pids:
        assert wait_gone(pid)
    until(lambda: not os.listdir(one.dir), "the directory is gone")


def test_killed_with_an_ssh_that_hangs(start_culvert, server):
    """An ssh that does not end by itself is ended."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}")
    pids = kin(one)
    os.kill(pids[1], signal.SIGSTOP)
    os.kill(one.pid, signal.SIGKILL)
    for pid in pids:
        assert wait_gone(pid)
    until(lambda: not os.listdir(one.dir), "the directory is gone")


def test_monitor_killed(start_culvert, server):
    """Nothing can start ssh any more: culvert ends, and says why."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}", retry=None,
                        remotes=["0:127.0.0.1:21"])
    pids = kin(one)
    os.kill(pids[0], signal.SIGKILL)
    assert one.process.wait() == 1
    assert wait_gone(pids[1])
    assert "monitor process has ended" in one.output
    # The main process has no right to remove the directory itself.
    for path in pathlib.Path(one.dir).iterdir():
        assert not list(path.iterdir())
        path.rmdir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGHUP, signal.SIGQUIT,
                                    signal.SIGUSR1, signal.SIGUSR2])
def test_monitor_ignores(number, start_culvert, server):
    """Signals of the terminal to the whole group do not end the monitor."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}", retry=None)
    os.kill(one.monitor, number)
    os.kill(one.ssh, signal.SIGKILL)
    one.wait_log("connected to files.test again")


# ---- --user ----

def test_user(as_nobody, server, tmp):
    """Every process is nobody's and cannot become root; transfers work."""
    one = as_nobody(f"0:127.0.0.1:{server('vsftpd').port}")
    assert culvert.AS_ROOT not in one.output
    check_confined(one.pid)
    for pid in one.pid, one.monitor, one.ssh:
        got = status(pid)
        assert got["Uid"].split("\t") == [str(NOBODY)] * 4, got
        assert len(set(got["Gid"].split("\t"))) == 1, got
        assert "0" not in got["Groups"].split(), got
    private, = pathlib.Path(one.dir).glob("culvert.*")
    got = private.stat()
    assert (got.st_uid, stat.S_IMODE(got.st_mode)) == (NOBODY, 0o700)
    transfer(one, server("vsftpd"), tmp.name)


def test_user_low_port(as_nobody, server):
    """Ports below 1024 are bound before."""
    one = as_nobody("127.0.0.77:21:127.0.0.1:"
                    f"{server('vsftpd').port}")
    assert one.listeners == [("127.0.0.77", 21)]
    check_confined(one.pid)
    with Ftp(one, server("vsftpd")):
        pass


def test_user_low_client_ports(as_nobody, server, tmp):
    """Data ports below 1024 can be bound later."""
    one = as_nobody(f"127.0.0.77:0:127.0.0.1:{server('vsftpd').port}",
                    options=["--client-ports", "900-910"])
    check_confined(one.pid, BIND)
    transfer(one, server("vsftpd"), tmp.name)


def test_ssh_is_started_again_as_user(as_nobody, server):
    """ssh is started again, as the user."""
    one = as_nobody(f"0:127.0.0.1:{server('vsftpd').port}", retry=None)
    os.kill(one.ssh, signal.SIGKILL)
    one.wait_log("connected to files.test again")
    assert status(one.ssh)["Uid"].split("\t")[0] == str(NOBODY)


@pytest.mark.parametrize("name, words", [
    ("no-such-user", "there is no such user"), ("", "there is no such user"),
    ("root", "that is root"), ("0", "that is root")])
def test_no_user(name, words, tmp):
    """Status 1, before anything is done."""
    got, said = cli.run(tmp, "--user", name, "-L", "0:h:21", "host")
    assert got == 1, said
    assert said == f"culvert: --user {name}: {words}\n", said


def test_user_without_root(tmp):
    """Only root can become another user."""
    program = tmp / "culvert"  # where nobody can reach it
    shutil.copy(culvert.PROGRAM, program)
    done = subprocess.run(
        [program, "--user", "daemon", "-L", "0:h:21", "host"], user=NOBODY,
        group=NOBODY, extra_groups=[], cwd="/", capture_output=True,
        text=True, timeout=FAILSAFE)
    assert done.returncode == 1, done
    assert done.stderr == "culvert: --user daemon: only root can become " \
        "another user\n", done


# ---- the private directory ----

def test_directory_of_others(tmp, sshd):
    """A directory in which others could replace it is skipped, and logged."""
    unsafe = tmp / "unsafe"
    unsafe.mkdir()
    unsafe.chmod(0o777)
    one = cli.Background(tmp, "-F", sshd.config, "-L", "0:h:21", "files.test",
                         XDG_RUNTIME_DIR=str(unsafe))
    one.wait_line("listening on")
    assert f"other users can write to {unsafe}, which has no sticky" in one.output
    assert len(list(tmp.glob("culvert.*"))) == 1
    assert one.stop() == 0
