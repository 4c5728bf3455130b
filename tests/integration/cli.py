"""Runs culvert in ways that start_culvert() does not support."""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios

import culvert
import scripted
from process import FAILSAFE, Process


def environment(home, **more):
    """Return an environment in which culvert uses only this directory."""
    env = {**os.environ, "HOME": str(home), "TMPDIR": str(home),
           "XDG_RUNTIME_DIR": str(home), "LC_ALL": "C.UTF-8", **more}
    for name in "DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS", "SSH_AUTH_SOCK":
        env.pop(name, None)
    return env


def run(home, *argv, **env):
    """Run culvert to its end, without a terminal; returns (status, output)."""
    status, said = run_and_keep(home, *argv, **env)
    assert not [name for name in os.listdir(home)
                if name.startswith("culvert.")], "a private directory is left"
    return status, said


def run_and_keep(home, *argv, **env):
    """The same, for a culvert that goes to the background."""
    done = subprocess.run(
        [culvert.PROGRAM, *argv], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=FAILSAFE, env=environment(home, **env),
        start_new_session=True)
    assert not culvert.SANITIZER.search(done.stdout), done.stdout
    return done.returncode, done.stdout


def ssh_config(directory, sshd, *lines, name="config"):
    """Write an ssh_config: these lines for every host, then sshd's own."""
    path = directory / name
    with open(sshd.config) as file:
        path.write_text("Host *\n" + "".join(f"    {line}\n" for line in lines)
                        + file.read())
    return str(path)


def greet(listener, host, port, **how):
    """Fail unless a client that goes there reaches that server."""
    with scripted.client(host, port, **how) as client, \
            listener.accept() as server:
        server.reply("220 hello")
        client.expect("220 hello")


def password_config(start_sshd, tmp):
    """Start an sshd with the password "hunter2"; returns an ssh_config."""
    sshd = start_sshd("PasswordAuthentication yes")
    hashed = subprocess.run(["openssl", "passwd", "-6", "hunter2"], check=True,
                            capture_output=True, text=True).stdout.strip()
    with open(f"{sshd.dir}/shadow", "w") as file:
        file.write(f"root:{hashed}:19000:0:99999:7:::\n")
    return ssh_config(tmp, sshd, "PubkeyAuthentication no")


class Terminal:
    """A process in its own session, on a terminal that the test controls."""

    def __init__(self, argv, env):
        self._master, slave = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self._popen = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env,
            preexec_fn=own_terminal)
        self._slave = slave
        self.pid = self._popen.pid
        self.text, self._place = "", 0

    def wait_for(self, text):
        """Wait for a text, after the one that the last call waited for."""
        alarm = Alarm(f"{text!r} has not appeared")
        with alarm:
            while (place := self.text.find(text, self._place)) < 0:
                alarm.said = self.text
                self.text += os.read(self._master, 4096).decode(
                    errors="replace")
        self._place = place + len(text)

    def type(self, text):
        """Type on the keyboard."""
        os.write(self._master, text.encode())

    def echoes(self):
        """Return whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def hang_up(self):
        """Close the terminal, as when its window is closed."""
        os.close(self._slave)
        os.close(self._master)
        self._slave = self._master = -1

    def wait(self):
        """Wait until the process has ended; returns its status."""
        status = self._popen.wait(FAILSAFE)
        if self._master < 0:
            return status
        os.set_blocking(self._master, False)
        with contextlib.suppress(BlockingIOError, OSError):
            while piece := os.read(self._master, 4096):
                self.text += piece.decode(errors="replace")
        return status

    def close(self):
        """Kill the process if it still runs, and reap it."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait(FAILSAFE)
        if self._master >= 0:
            self.hang_up()


@contextlib.contextmanager
def terminals(home):
    """Give a function that runs culvert on a terminal of its own."""
    started = []

    def run(*argv):
        started.append(Terminal([culvert.PROGRAM, *argv], environment(home)))
        return started[-1]

    yield run
    for one in started:
        one.close()
    for one in started:
        assert not culvert.SANITIZER.search(one.text), one.text


class Alarm:
    """Limits the time of a read that might wait for ever."""

    def __init__(self, what):
        self.what, self.said = what, ""

    def _ring(self, *_):
        raise AssertionError(f"{self.what}; there is: {self.said}")

    def __enter__(self):
        self._old = signal.signal(signal.SIGALRM, self._ring)
        signal.alarm(FAILSAFE)

    def __exit__(self, *_):
        signal.alarm(0)
        signal.signal(signal.SIGALRM, self._old)


class Background(Process):
    """A culvert without a terminal that runs beside the test."""

    def __init__(self, home, *argv, **env):
        super().__init__([culvert.PROGRAM, *argv], "culvert",
                         env=environment(home, **env))
