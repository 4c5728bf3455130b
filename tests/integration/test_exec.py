"""culvert exec as a process: the command's status, signals, terminal, files;
and its options.
"""

import contextlib
import os
import shlex
import signal
import subprocess

import pytest

import cli
import culvert
from exec_rig import NAME, connect_script, end
from gateway_clients import settled
from process import FAILSAFE, Process, children, until, wait_gone

SHELL = "sh", "-c"


# ---- the command ----

@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 3", 3), ("exit 255", 255),
    ("kill -TERM $$", -signal.SIGTERM), ("kill -KILL $$", -signal.SIGKILL)])
def test_status(execute, script, status):
    """The exit status is the command's, or the signal that has ended it."""
    assert execute.run(*SHELL, script) == (status, "")


@pytest.mark.parametrize("command, status, words", [
    ("/nowhere/at/all", 127, "No such file or directory"),
    ("/etc/passwd", 126, "Permission denied"),
    ("not\033there", 127, r"cannot run not\x1bthere: No such file")])
def test_not_run(execute, command, status, words):
    """As with env(1)."""
    code, said = execute.run(command)
    assert code == status and words in said, said
    assert said.count("\n") == 1


def test_what_the_command_gets(execute, tmp):
    """Its arguments, standard input, directory, umask, environment, open files
    and ignored signals are those of culvert exec.
    """
    script = """
import os, signal, sys
print(sys.argv[1:], sys.stdin.read(), os.getcwd(), oct(os.umask(0)),
      os.environ["COLOUR"], os.read(9, 10).decode(),
      signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
      signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
      signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    path = tmp / "nine"
    path.write_text("nine")

    def prepare():
        os.umask(0o002)
        os.dup2(os.open(path, os.O_RDONLY), 9)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    argv = ["env", "COLOUR=blue", *execute.argv(
        "/usr/bin/python3", "-c", script, "a b", "--", "-v")]
    done = subprocess.run(
        argv, input=b"typed", stdout=subprocess.PIPE, cwd=tmp,
        restore_signals=False, preexec_fn=prepare, close_fds=False,
        env=cli.environment(execute.home), check=True, timeout=FAILSAFE)
    assert done.stdout.decode().strip() == \
        f"['a b', '--', '-v'] typed {tmp} 0o2 blue nine True True set()"


def test_binary_output(execute):
    """culvert adds nothing to the command's output."""
    status, said = execute.run("head", "-c", "100000", "/dev/zero",
                               text=False)
    assert (status, said) == (0, bytes(100000))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT,
                                    signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(execute, number):
    """A signal to culvert exec is one to the command."""
    name = number.name.removeprefix("SIG")
    child = execute.start(
        "bash", "-c", f"trap 'echo got {name}; exit 5' {name}; echo ready;"
        "while :; do read -t 0.1 <> <(:); done")
    child.wait_line("^ready$")
    assert end(child, number) == 5, child.output
    assert f"got {name}" in child.output


def test_killed_by_a_signal_that_was_passed_on(execute):
    """Then culvert exec ends by that signal too, as a shell expects."""
    child = execute.start("sh", "-c", "echo ready; exec sleep 1000")
    child.wait_line("^ready$")
    assert end(child) == -signal.SIGTERM, child.output


def test_ctrl_c(execute):
    """On a terminal it goes to the command, once; the rest cleans up."""
    terminal = cli.Terminal(execute.argv(
        "bash", "-c", "trap 'echo one interrupt; exit 7' INT; echo ready;"
        "while :; do sleep 0.1; done"), cli.environment(execute.home))
    try:
        terminal.wait_for("ready")
        terminal.type("\x03")
        assert terminal.wait() == 7, terminal.text
        assert terminal.text.count("one interrupt") == 1
        execute.check(terminal.text)
    finally:
        terminal.close()


def test_terminal_is_closed(execute, tmp):
    """The command gets SIGHUP, also if culvert exec began the session, and so
    gets it alone.
    """
    terminal = cli.Terminal(execute.argv(
        *SHELL, f"trap 'echo hung up >{tmp}/said; exit 6' HUP; echo ready;"
        "while :; do sleep 0.1; done"), cli.environment(execute.home))
    try:
        terminal.wait_for("ready")
        terminal.hang_up()
        assert terminal.wait() == 6
        assert (tmp / "said").read_text() == "hung up\n"
    finally:
        terminal.close()


def test_command_is_stopped_without_a_terminal(execute, tmp):
    """Whoever stops it continues it, and does not know culvert exec: so that
    does not stop, and answers the command's other processes.
    """
    os.mkfifo(tmp / "go")
    script = f"(read line <{tmp}/go\n{{}}\n) &\necho pid $$\nwait"
    child = Process(
        execute.argv(*SHELL, script.format(
            shlex.join(connect_script("127.0.0.1", 9)))),
        "exec", start_new_session=True, env=cli.environment(execute.home))
    pid = int(child.wait_line(r"^pid (\d+)$")[1])
    os.kill(pid, signal.SIGSTOP)
    until(lambda: "\nState:\tT" in open(f"/proc/{pid}/status").read(),
          "it stops")
    (tmp / "go").write_text("go\n")
    child.wait_line("^Connection refused$")
    os.kill(pid, signal.SIGCONT)
    assert child.wait() == 0
    execute.check(child.output)


# What a shell does with a job, without its line editor: it loses what is typed
# too early.
SHELL_WITH_JOB = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print("Stopped", flush=True)
    open(sys.argv[1]).read()
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
print("status", os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def shell(execute, tmp):
    """Return a function that runs a command as a job on a terminal; and one
    that continues the job.
    """
    os.mkfifo(tmp / "go")
    with contextlib.ExitStack() as stack:
        def start(*command):
            return stack.enter_context(contextlib.closing(cli.Terminal(
                ["/usr/bin/python3", "-c", SHELL_WITH_JOB, tmp / "go",
                 *execute.argv(*command)], cli.environment(execute.home))))

        yield start, lambda: (tmp / "go").write_text("go")


def test_job_control(shell, tmp):
    """Ctrl-Z stops both, and the shell can continue them."""
    start, go_on = shell
    (tmp / "script").write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGCONT, lambda *_: print('again'))\n"
        "print('ready')\n"
        "for line in sys.stdin: print(line.upper(), end='')\n")
    terminal = start("/usr/bin/python3", tmp / "script")
    terminal.wait_for("ready")
    for word in "one", "two", "three":
        terminal.type(f"{word}\n")
        terminal.wait_for(word.upper())
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        go_on()
        terminal.wait_for("again")
    terminal.type("\x04")
    terminal.wait_for("status 0")


def test_command_that_stops_itself(shell, tmp):
    """Its shell sees that culvert exec has stopped."""
    start, go_on = shell
    (tmp / "script").write_text(
        "for n in 1 2 3; do kill -STOP $$; echo continued $n; read line; done")
    terminal = start("sh", tmp / "script")
    for number in 1, 2, 3:
        terminal.wait_for("Stopped")
        go_on()
        terminal.wait_for(f"continued {number}")
        terminal.type("\n")
    terminal.wait_for("status 0")


ACCEPTS = """
import os, socket, threading
def serve(family, at, before=lambda one: None, blocks=True):
    with socket.socket(family) as listener:
        listener.bind(at)
        listener.listen(100)
        before(listener)
        with socket.socket(family) as client:
            client.connect(listener.getsockname())
            server, peer = listener.accept()
            print(family.name, peer == client.getsockname(),
                  server.gettimeout(), os.get_inheritable(server.fileno()),
                  listener.gettimeout())
            threading.Timer(0.3, client.sendall, [b"late"]).start()
            print(server.recv(4).decode())
serve(socket.AF_INET, ("127.0.0.1", 0))
serve(socket.AF_INET6, ("::1", 0))
serve(socket.AF_INET6, ("::ffff:127.0.0.1", 0))
serve(socket.AF_UNIX, "")
serve(socket.AF_INET, ("127.0.0.1", 0), lambda one: one.settimeout(5))
with socket.create_server(("127.0.0.1", 0)) as listener:
    listener.setblocking(False)
    try:
        listener.accept()
    except BlockingIOError:
        print("would wait")
    listener.setblocking(True)
    for number in range(200):
        threading.Thread(target=socket.create_connection,
                         args=(listener.getsockname(),)).start()
    print(len({listener.accept()[1] for _ in range(200)}))
"""


def test_accept(execute):
    """A server in culvert exec sees its clients' addresses as ever."""
    status, said = execute.run("/usr/bin/python3", "-c", ACCEPTS)
    assert status == 0, said
    assert said == "".join(
        f"{family} True None False {timeout}\nlate\n"
        for family, timeout in (
            ("AF_INET", None), ("AF_INET6", None), ("AF_INET6", None),
            ("AF_UNIX", None), ("AF_INET", 5.0))) + "would wait\n200\n", said


# ---- the processes ----

def test_nothing_is_left(execute):
    """No process and no directory, however the command ends."""
    child = execute.start("sh", "-c", "echo ready; exec sleep 1000")
    child.wait_line("^ready$")
    started = children(child.pid)
    assert len(started) == 2, started  # the main process, the command
    main = next(pid for pid in started if culvert.process_name(pid) != "sleep")
    monitor = culvert.monitor_of(main)
    end(child)
    for pid in [*started, monitor]:
        assert wait_gone(pid), pid
    execute.check(child.output)


def test_supervisor_killed(execute):
    """culvert's other processes end; the command continues, but it cannot
    connect any more.
    """
    child = execute.start(
        "/usr/bin/python3", "-c", "import os, time\n"
        "parent = os.getppid()\nprint('ready', flush=True)\n"
        "while os.getppid() == parent: time.sleep(0.05)\n"
        + connect_script("127.0.0.1", 9)[2])
    child.wait_line("^ready$")
    main = next(pid for pid in children(child.pid)
                if culvert.process_name(pid) == "culvert")
    os.kill(child.pid, signal.SIGKILL)
    assert wait_gone(main)
    child.wait_line("Function not implemented")
    child.wait()
    execute.check(child.output)


def test_ssh_cannot_connect(execute, tmp):
    """The command is not run; the status is ssh's."""
    config = tmp / "config"
    config.write_text("Host nowhere\n HostName 127.0.0.1\n Port 1\n")
    done = subprocess.run(
        [culvert.PROGRAM, "exec", "-F", config, "--retry", "0", "nowhere",
         "--", "touch", tmp / "run"], capture_output=True, text=True,
        env=cli.environment(execute.home), timeout=FAILSAFE)
    assert done.returncode == 255, done.stderr
    assert "Connection refused" in done.stderr
    assert not (tmp / "run").exists()
    execute.check(done.stderr)


# ---- options ----

@pytest.mark.parametrize("words, said", [
    (["host"], "no command: give it after \"--\""),
    (["host", "--"], "no command: give it after \"--\""),
    (["--", "ls"], "no destination"),
    (["host", "ls", "--", "ls"], "only one destination"),
    (["-L", "2121:localhost:21", "host", "--", "ls"], "-L and -R are not"),
    (["--user", "nobody", "host", "--", "ls"], "--user is not for it"),
    (["--login", "ssh", "host", "--", "ls"], "--login ssh is not for it"),
    (["-f", "host", "--", "ls"], "unknown option -f"),
    (["--map", "a b", "host", "--", "ls"], "--map a b: expected NAME"),
    (["--map", "-x", "host", "--", "ls"], "--map -x: expected NAME"),
    (["--map", "one=", "host", "--", "ls"], "--map one=: expected NAME"),
    (["--map", "one=-x", "host", "--", "ls"], "expected NAME"),
    (["--map", "1.2.3.4", "host", "--", "ls"], "needs no --map"),
    (["--map", "a", "--map", "A", "host", "--", "ls"], "given twice"),
    (["--capture", "host:0", "host", "--", "ls"], "HOST:PORT"),
    (["--capture", "host:99999", "host", "--", "ls"], "HOST:PORT"),
    (["--capture", "[::1", "host", "--", "ls"], "--capture [::1: "),
    (["--capture", "10.0.0.0/33", "host", "--", "ls"], "network"),
    (["--capture", "name.invalid", "host", "--", "ls"],
     "add --map name.invalid"),
    (["--only=1", "host", "--", "ls"], "--only"),
])
def test_misuse(tmp, words, said):
    """Status 2, and one line that says what is wrong."""
    status, output = cli.run(tmp, "exec", *words)
    assert status == 2, output
    assert said in output, output
    assert "culvert exec --help" in output


def test_help(tmp):
    """It names every option of its own."""
    status, output = cli.run(tmp, "exec", "--help")
    assert status == 0
    for option in "--capture", "--map", "--only", "--gateway":
        assert option in output


def test_only(execute, server21, topology):
    """--only: another TCP connection is refused, with a line in the log; FTP,
    loopback, Unix sockets and UDP are not.
    """
    server = server21()
    near_end = topology.near_end.address("ipv4")
    status, said = execute.run(*connect_script(near_end, 80),
                               options=["--only"])
    assert said.splitlines()[-1] == "Permission denied"
    assert f"no connection to {near_end}:80: it is not captured" in said
    status, said = execute.run(*connect_script("127.0.0.1", 9),
                               options=["--only"])
    assert said == "Connection refused\n"
    status, said = execute.run(*connect_script(server.address, 21),
                               options=["--only"])
    assert said.startswith("220 ")
    status, said = execute.run(
        "/usr/bin/python3", "-c", "import socket as s;"
        "u = s.socket(s.AF_INET, s.SOCK_DGRAM);"
        f"u.connect(('{near_end}', 53)); a, b = s.socketpair();"
        "t = s.socket(); t.bind(('127.0.0.1', 0)); t.listen();"
        "c = s.create_connection(t.getsockname()); print('good')",
        options=["--only"])
    assert said == "good\n"


def test_direct(execute, topology):
    """Without --only, everything else connects as ever."""
    near_end = topology.near_end
    listener = near_end.socket()
    with listener:
        listener.bind((near_end.address("ipv4"), 0))
        listener.listen()
        port = listener.getsockname()[1]
        child = execute.start(*connect_script(listener.getsockname()[0], port))
        with listener.accept()[0] as one:
            one.sendall(b"hello\n")
            child.wait_line("^hello$")
        assert child.wait() == 0


def test_capture_of_other_ports(execute, topology, tmp):
    """--capture: an address, a network, a name, any host; with a port."""
    server = topology.start_server("vsftpd", "far_end", "ipv4")
    place = f"{server.address}:{server.port}"
    network = server.address.rsplit(".", 1)[0] + ".0/24"
    for pattern in place, f"{network}:{server.port}", f"*:{server.port}":
        status, said = execute.run(
            *connect_script(server.address, server.port),
            options=["--capture", pattern])
        assert said.startswith("220 "), (pattern, said)
    status, said = execute.run(
        *connect_script("plant", server.port), options=[
            "--map", f"plant={server.address}",
            "--capture", f"plant:{server.port}"])
    assert said.startswith("220 "), said
    # A port that is not captured: there is no such host.
    status, said = execute.run(
        *connect_script("plant", server.port + 1), options=[
            "--map", f"plant={server.address}"])
    assert said.splitlines()[-1] == "No route to host", said


def test_map(execute):
    """The names of --map are in /etc/hosts, in place of others; the file on
    disk is unchanged.
    """
    before = open("/etc/hosts").read()
    status, said = execute.run(
        "sh", "-c", "cat /etc/hosts; getent ahostsv4 localhost "
        "plant.example; cat </etc/hosts | wc -l; cat /etc/hostname",
        options=["--map", "plant.example", "--map", "localhost"])
    assert "127.121.0.1 plant.example\n127.121.0.2 localhost\n" in said
    assert "127.0.0.1 localhost" not in said
    assert "127.121.0.2     STREAM localhost" in said
    assert open("/etc/hosts").read() == before


def test_far_host_of_another_name(execute, server21, topology):
    """--map NAME=HOST: the far side looks HOST up."""
    with open(f"{execute.sshd.dir}/hosts", "a") as hosts:
        hosts.write(f"{server21().address} other.plant\n")
    status, said = execute.run(*connect_script("short", 21), options=[
        "--map", "short=other.plant"])
    assert said.startswith("220 "), said


def test_gateway(execute, topology, tmp):
    """--gateway: the destination's SFTP server, for any FTP server's name."""
    path = tmp / "file"
    path.write_bytes(os.urandom(100_000))
    status, said = execute.run(
        "curl", "-sS", "-u", "any:any", "-T", path,
        f"ftp://{NAME}/{tmp}/stored", "--next", "-sS", "-o", tmp / "got",
        f"ftp://{NAME}/{tmp}/file",
        options=["--gateway", "--map", NAME, "--only"])
    assert (status, said) == (0, "")
    settled(tmp)
    assert (tmp / "stored").read_bytes() == path.read_bytes()
    assert (tmp / "got").read_bytes() == path.read_bytes()
    topology.capture.check()


def test_status_names_the_tunnels(execute, server21):
    """culvert status shows where the command is connected to."""
    child = execute.start(
        "/usr/bin/python3", "-c", "import socket, sys\n"
        f"one = socket.create_connection(('{server21().address}', 21))\n"
        "print(one.recv(3).decode(), flush=True)\nsys.stdin.read()\n"
        "import time; time.sleep(1000)")
    child.wait_line("^220$")
    status, said = cli.run_and_keep(execute.home, "status")
    assert f"{server21().address}:21" in said, said
    end(child)
    until(lambda: not list(execute.home.glob("culvert.*")), "all is removed")
