"""culvert config --test: what culvert up would fail on, or misread.

Each is told with its file, its line, the cause and what to do; and a reload
of a file that contradicts itself changes nothing.
"""

import ctypes
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess

import pytest

import cli
import culvert
import scripted
from process import FAILSAFE
from test_up import conf, ftp_server, to  # noqa: F401

# pylint: disable=redefined-outer-name

HOSTS = "destination = files.test\nF = /dev/null\n"
A = f"[tunnel a]\n{HOSTS}L = {{}}\n"
B = f"[tunnel b]\n{HOSTS}L = {{}}\n"
R = f"[tunnel r]\n{HOSTS}R = {{}}\n"


def check(tmp, text, *names):
    """Check a file with that text: (status, what is said, without its path).
    """
    path = tmp / "conf"
    path.write_text(text)
    status, said = cli.run(tmp, "config", "--test", "-f", str(path), *names)
    return status, said.replace(str(path), "FILE")


@pytest.mark.parametrize("one, other", [
    ("2121:h:21", "2121:h:22"),
    ("2121:h:21", "127.0.0.1:2121:h:21"),
    ("localhost:2121:h:21", "2121:h:21"),
    ("127.0.0.1:2121:h:21", "localhost:2121:h:21"),
    ("*:2121:h:21\nallow = ::/0", "2121:h:21"),
    ("2121:h:21", ":2121:h:21\nallow = ::/0"),
    ("[::1]:2121:h:21", "*:2121:h:21\nallow = ::/0"),
    ("0.0.0.0:2121:h:21\nallow = 0.0.0.0/0", "127.0.0.2:2121:h:21"),
    ("[::]:2121:h:21\nallow = ::/0", "[::1]:2121:h:21"),
    ("2121:h:21\nL = 2122:h:21", "2122:h:21"),
])
def test_same_port(one, other, tmp):
    """Two tunnels on one address and port, however it is written."""
    status, said = check(tmp, A.format(one) + B.format(other))
    assert status == 1, said
    line = 4 + one.count("\n") + 4
    first = 5 if "L =" in one else 4
    assert said == (f"culvert: FILE:{line}: L = {other.splitlines()[0]}: FILE:"
                    f"{first} already listens on that address and port; use "
                    "another port\n")


@pytest.mark.parametrize("one, other", [
    ("2121:h:21", "2122:h:21"),
    ("0:h:21", "0:h:22"),
    ("127.0.0.1:2121:h:21", "[::1]:2121:h:21"),
    ("127.0.0.1:2121:h:21", "127.0.0.2:2121:h:21"),
    ("0.0.0.0:2121:h:21\nallow = ::/0", "[::]:2121:h:21\nallow = ::/0"),
])
def test_other_port(one, other, tmp):
    """Addresses that do not conflict."""
    status, said = check(tmp, A.format(one) + B.format(other))
    assert (status, said) == (0, "FILE: 2 tunnels\n")


def test_same_port_of_two(tmp):
    """Only among the tunnels that run together."""
    text = A.format("2121:h:21") + B.format("2121:h:21")
    assert check(tmp, text)[0] == 1
    assert check(tmp, text, "a") == (0, "FILE: 1 tunnel\n")
    assert check(tmp, text, "a", "b")[0] == 1


def test_same_port_of_defaults(tmp):
    """One L in [defaults] that two tunnels use."""
    text = "[defaults]\nL = 2121:h:21\n" + (A + B).replace("L = {}\n", "")
    status, said = check(tmp, text)
    assert status == 1 and "FILE:2: L = 2121:h:21: FILE:2 already listens" in said


def test_same_port_of_one(tmp):
    """The same L twice, and --metrics."""
    assert "FILE:5: L = 2121:h:22: FILE:4 already listens" in check(
        tmp, A.format("2121:h:21\nL = 2121:h:22"))[1]
    assert "FILE:6: L = 2121:h:21: FILE:2 already listens" in check(
        tmp, "[defaults]\nmetrics = 127.0.0.1:2121\n"
        + A.format("2121:h:21"))[1]


@pytest.mark.parametrize("other, same", [
    ("2121:h:22", True), ("localhost:2121:h:21", True),
    ("127.0.0.1:2121:h:21", True), ("*:2121:h:21", True),
    ("192.0.2.1:2121:h:21", False), ("0:h:21", False),
])
def test_same_far_port(other, same, tmp):
    """On the SSH server, if both tunnels use the same one."""
    text = R.format("2121:h:21") + R.replace("l r]", "l s]").format(other)
    text += "allow = ::/0\nclient-address = 192.0.2.1\n"
    status, said = check(tmp, text)
    assert status == int(same), said
    assert not same or "FILE:4 already listens" in said
    # Another port has another server.
    assert check(tmp, text + "p = 2222\n")[0] == 0


@pytest.mark.parametrize("line, same", [
    ("l = somebody", True), ("i = /etc/passwd", True), ("links = 2", True),
    ("o = ServerAliveInterval=5", True), ("o = HostName=FILES.test", True),
    ("p = 22", True), ("o = HostName=other.test", False),
    ("J = gate.test", False), ("o = ProxyCommand=nc %h 23", False),
])
def test_same_far_server(line, same, tmp):
    """Different options for ssh that lead to the same server, or to another.
    """
    text = R.format("2121:h:21") + R.replace("l r]", "l s]").format(
        f"2121:h:22\n{line}")
    status, said = check(tmp, text)
    assert status == int(same), said
    assert not same or said.startswith(
        "culvert: FILE:8: R = 2121:h:22: FILE:4 already listens"), said


WRONG = {
    "user": ("[defaults]\nuser = nobody-there\n", "FILE:2: user = nobody-there"
             ": there is no such user"),
    "root": ("[defaults]\nuser = root\n", "FILE:2: user = root: that is root"),
    "log": ("[defaults]\ntransfer-log = /none/log\n",
            "FILE:2: transfer-log = /none/log: /none: No such file"),
    "log-socket": ("[defaults]\ntransfer-log = TMP/socket\n",
                   "FILE:2: transfer-log = TMP/socket: No such device or"),
    "log-fifo": ("[defaults]\ntransfer-log = TMP/fifo\n",
                 "FILE:2: transfer-log = TMP/fifo: No such device or"),
    "log-directory": ("[defaults]\ntransfer-log = /\n",
                      "FILE:2: transfer-log = /: Is a directory"),
    "metrics": ("[defaults]\nmetrics = unix:/none/metrics\n",
                "FILE:2: metrics = unix:/none/metrics: /none: No such file"),
    "metrics-file": ("[defaults]\nmetrics = unix:/etc/passwd\n",
                     "FILE:2: metrics = unix:/etc/passwd: there is a"),
    "metrics-address": ("[defaults]\nmetrics = 192.0.2.1:9721\n",
                        "FILE:2: metrics = 192.0.2.1:9721: cannot listen "
                        "there: it is not an address of this host"),
    "comment": ("[defaults]\nuser = ftp # not root\n",
                "FILE:2: a comment must stand on its own line"),
    "ssh": ("[defaults]\nssh = /none/ssh\n",
            "FILE:3: [tunnel a]: cannot run /none/ssh: No such file"),
    "option": ("[defaults]\no = Compression=no\no = Nonsense=yes\n",
               "FILE:3: [tunnel a]: ssh -G: command-line: line 0: Bad "
               "configuration option: nonsense"),
    "port": ("[defaults]\np = x\n", "FILE:2: [tunnel a]: ssh -G: Bad port"),
    "config": ("[defaults]\no = Include=/none\nF = /none/config\n", None),
    "key": ("[defaults]\ni = /none/key\n",
            "FILE:2: i = /none/key: No such file"),
    "key-directory": ("[defaults]\ni = /etc\n",
                      "FILE:2: i = /etc: Is a directory"),
}


@pytest.mark.parametrize("text, words", WRONG.values(), ids=WRONG.keys())
def test_wrong(text, words, tmp):
    """Files and directories that do not exist."""
    tunnel = "[tunnel a]\ndestination = files.test\nL = 2121:h:21\n"
    os.mkfifo(tmp / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp / "socket"))
        status, said = check(tmp, text.replace("TMP", str(tmp)) + tunnel)
    assert status == 1, said
    assert words is None or said.startswith(f"culvert: {words}".replace(
        "TMP", str(tmp))), said


@pytest.mark.parametrize("bind, words", [
    ("192.0.2.1", "L = 192.0.2.1:2121:h:21: cannot listen there: it is not an "
     "address of this host"),
    ("no-such-name.invalid", "cannot listen on no-such-name.invalid: "),
])
def test_wrong_address(bind, words, tmp):
    """Addresses on which it cannot listen."""
    status, said = check(tmp, A.format(f"{bind}:2121:h:21\nallow = ::/0"))
    assert status == 1 and f"FILE:4: L = {bind}" in said and words in said
    status, said = check(tmp, A.format("*:2121:h:21"))
    assert status == 1 and said.startswith(
        "culvert: FILE:4: L = *:2121:h:21: clients of other hosts could")


@pytest.mark.parametrize("bind, lines, words", [
    ("*:2121", "", "clients of other hosts could connect; --allow FROM"),
    ("192.0.2.1:2121", "", "clients of other hosts could connect; --allow"),
    ("name:2121", "allow = ::/0", "the bind address must not be a host"),
    ("*:2121", "allow = ::/0", "replies to PASV contain an address of the"),
    ("192.0.2.1:2121", "allow = ::/0\nclient-data-host = control",
     "--client-data-host control needs the addresses of clients"),
])
def test_wrong_far_address(bind, lines, words, tmp):
    """Addresses on which the SSH server cannot listen."""
    status, said = check(tmp, R.format(f"{bind}:h:21\n{lines}"))
    assert status == 1, said
    assert said.startswith(f"culvert: FILE:4: R = {bind}:h:21: cannot listen "
                           f"there: {words}"), said


def check_as_nobody(tmp, text):
    """Check a file, and start it: what each says."""
    path = tmp / "conf"
    path.write_text(text)
    os.chown(path, 65534, 65534)
    os.chown(tmp, 65534, 65534)
    said = []
    for argv in ["config", "--test"], ["up", "--all"]:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             culvert.PROGRAM, *argv, "-f", str(path)], text=True,
            capture_output=True, timeout=FAILSAFE, env=cli.environment(tmp),
            stdin=subprocess.DEVNULL)
        assert done.returncode == 1, done
        said.append(done.stderr.replace(str(path), "FILE"))
    return said


@pytest.mark.parametrize("lines, place, words", [
    ("metrics = 127.0.0.1:99", 2, "Permission denied"),
    ("L = 99:h:21", 2, "Permission denied (ports below 1024 need root"),
    ("L = localhost:99:h:21", 2, "Permission denied (ports below 1024 need"),
    ("user = nobody", 2, "only root can become another user"),
])
def test_not_as_root(lines, place, words, tmp):
    """What only root can use."""
    text = "[defaults]\n" + lines + "\n" + A
    if "L =" in lines:
        text = text.replace("L = {}\n", "")
    checked, started = check_as_nobody(tmp, text.format("0:h:21"))
    assert checked.startswith(f"culvert: FILE:{place}: {lines}: "), checked
    assert words in checked and words in started


def test_checked_apart(tmp):
    """A tunnel is checked although one that is not named conflicts with it."""
    text = A + "i = /none/key\n" + B + "i = /none/key\n"
    text = text.replace("/none/key", "/etc/passwd\no = Nonsense=yes")
    status, said = check(tmp, text.format("0:h:21", "0:h:21"), "b")
    assert status == 1 and "Bad configuration option: nonsense" in said


def test_as_user(tmp):
    """Files are tested with the rights of user."""
    key = tmp / "key"
    key.write_text("")
    key.chmod(0o600)
    text = A.format(f"2121:h:21\ni = {key}")
    assert check(tmp, text)[0] == 0
    status, said = check(tmp, "[defaults]\nuser = nobody\n" + text)
    assert status == 1 and f"i = {key}: Permission denied" in said, said


def test_metrics_of_root(tmp):
    """The socket of --metrics is made before culvert becomes user."""
    tmp.chmod(0o700)
    (tmp / "file").write_text("")
    status, said = check(tmp, "[defaults]\nuser = nobody\nmetrics = unix:"
                         f"{tmp}/file\n" + A.format("2121:h:21"))
    assert status == 1 and "there is a file that is not a socket" in said
    defaults = f"[defaults]\nuser = nobody\nmetrics = unix:{tmp}/metrics\n"
    assert check(tmp, defaults + A.format("2121:h:21"))[0] == 0
    defaults += f"transfer-log = {tmp}/log\n"
    status, said = check(tmp, defaults + A.format("2121:h:21"))
    assert status == 1 and "FILE:4: transfer-log = " in said, said
    assert "Permission denied" in said


def test_up(tmp):
    """culvert up reports the line, too, before it does anything."""
    path = tmp / "conf"
    path.write_text(A.format("2121:h:21") + B.format("localhost:2121:h:21"))
    status, said = cli.run(tmp, "up", "-f", str(path), "--all")
    assert status == 1
    assert f"culvert: {path}:8: L = localhost:2121:h:21: {path}:4 already" in said


def run_with_hosts(tmp, text, *argv):
    """Run culvert with that /etc/hosts."""
    hosts = tmp / "hosts"
    hosts.write_text(text)
    return subprocess.run(
        ["unshare", "-m", "sh", "-c",
         f"mount --bind {hosts} /etc/hosts && exec \"$@\"", "sh",
         culvert.PROGRAM, *argv], capture_output=True, text=True,
        timeout=FAILSAFE, env=cli.environment(tmp))


def test_name_in_part(tmp, sshd):
    """A name of which one address is in use is an error."""
    with scripted.Listener(address="::1") as taken:
        done = run_with_hosts(
            tmp, "127.0.0.1 two.test\n::1 two.test\n", "-F", sshd.config,
            "--ssh", "/bin/false", "-L", f"two.test:{taken.port}:h:21",
            "files.test")
    assert done.returncode == 1, done
    assert "Address already in use" in done.stderr, done


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_name_twice(address, tmp, sshd):
    """/etc/hosts has an address twice: culvert listens on it once."""
    with scripted.Listener(address=address) as free:
        port = free.port
    hosts = f"{address} two.test\n" * 2
    done = run_with_hosts(tmp, hosts, "-F", sshd.config, "--ssh", "/bin/false",
                          "-L", f"two.test:{port}:h:21", "files.test")
    assert "in use" not in done.stderr, done
    assert "ssh could not connect to files.test" in done.stderr, done
    (tmp / "conf").write_text(A.format(f"two.test:{port}:h:21"))
    done = run_with_hosts(tmp, hosts, "config", "--test", "-f",
                          str(tmp / "conf"))
    assert done.returncode == 0, done


def without_pidfd_open():
    """Let pidfd_open() fail with EPERM, as in an old container."""
    code = b"".join(struct.pack("=HBBI", *one) for one in [
        (0x20, 0, 0, 0),          # load the number of the system call
        (0x15, 0, 1, 434),        # pidfd_open, on every architecture
        (0x06, 0, 0, 0x50001),    # SECCOMP_RET_ERRNO: EPERM
        (0x06, 0, 0, 0x7fff0000)  # SECCOMP_RET_ALLOW
    ])
    filters = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program) == 0  # PR_SET_SECCOMP: a filter


def test_no_pidfd(tmp):
    """Only the end of ssh -G counts, also without pidfd_open(2)."""
    path = tmp / "conf"
    path.write_text(A.format("0:h:21"))
    done = subprocess.run(
        [culvert.PROGRAM, "config", "--test", "-f", str(path)],
        capture_output=True, text=True, timeout=FAILSAFE,
        env=cli.environment(tmp), preexec_fn=without_pidfd_open)
    assert (done.returncode, done.stdout) == (0, f"{path}: 1 tunnel\n"), done


@pytest.mark.parametrize("line", [
    "allow-tls = yes # fast", "L = {port}:127.0.0.1:21", "nonsense = 1",
])
def test_reload(line, conf, sshd, ftp_server, start_up):
    """Nothing changes, and the log has the error."""
    own = to(sshd, ftp_server)
    path = conf(plant=own)
    one = start_up(path, "--all")
    port = one.listeners[0][1]
    ssh = one.ssh
    conf(plant=[own[0], own[1], f"L = {port}:127.0.0.1:{ftp_server.port}"],
         bank=[*own, line.format(port=port)])
    mark = one.mark()
    one.process.send_signal(signal.SIGHUP)
    one.wait_log("nothing has been changed", start=mark)
    assert f"culvert: {path}:" in one.output
    assert one.ssh == ssh and os.path.exists(f"/proc/{ssh}")


def user_of(pid):
    """Return the real and the effective uid of a process."""
    with open(f"/proc/{pid}/status") as file:
        return re.search(r"^Uid:\t(\d+)\t(\d+)", file.read(), re.M).groups()


@pytest.mark.parametrize("line", ["", "transfer-log = /none/x"])
def test_reload_keeps_the_user(line, conf, sshd, ftp_server, start_up):
    """A new "user" in the file takes effect at the next start."""
    own = to(sshd, ftp_server)
    path = conf(plant=own)
    one = start_up(path, "--all")
    monitor = one.monitor
    before = user_of(monitor)
    text = pathlib.Path(path).read_text()
    pathlib.Path(path).write_text(
        f"[defaults]\nuser = nobody\n{line}\n{text}")
    mark = one.mark()
    one.process.send_signal(signal.SIGHUP)
    one.wait_log("when culvert is restarted", start=mark)
    assert user_of(monitor) == before
