"""culvert check of "sftp/": the SFTP server of the destination."""

import contextlib
import ftplib
import io
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

import cli
import culvert
from checker import default_sshd, last, set_key_options, vsftpd  # noqa: F401
from process import Process, until
from sftp_servers import SFTP_SERVERS

SERVER = "/usr/lib/openssh/sftp-server"


@pytest.fixture
def folder(tmp):
    """Return the directory in which sessions begin."""
    path = tmp / "files"
    path.mkdir()
    return path


@pytest.fixture
def check(folder, checker):
    """Return a function that checks a sshd with that directory."""
    def check_one(sshd, *options, directory=folder):
        forward = f"sftp/0:{directory}" if directory else "sftp/0"
        return checker("-F", sshd.config, *options, "-L", forward, sshd.host)

    yield check_one
    assert not list(folder.glob(".culvert-*")), "a test file is left"


def test_good(sshd, folder, check):
    """All is well; nothing about FTP is checked."""
    report = check(sshd)
    report.all_well()
    assert [one["check"] for one in report.checks][-6:] == [
        "listen", "SFTP", "directory", "free space", "speed", "write test"]
    assert not report.has("Nagle")
    assert "posix-rename, fsync, statvfs, limits" in \
        report.find("SFTP")["text"]
    assert report.find("directory")["text"].endswith(f" in {folder}")
    assert re.search(r"up [\d.]+ MB/s, down [\d.]+ MB/s, .* [\d.]+ MiB",
                     report.find("speed")["text"])
    assert report.find("listen")["forward"] == f"-L sftp/0:{folder}"
    assert report.json["command"] == \
        f"culvert -F {sshd.config} -L sftp/0:{folder} files.test"


def test_home(sshd, checker, check):
    """Without a directory, sessions begin where the server says."""
    report = check(sshd, directory=None)
    report.all_well()
    home = pathlib.Path.home()
    assert report.find("directory")["text"].endswith(f" in {home}")
    assert not list(home.glob(".culvert-*"))


def test_tunnel_of_a_file(sshd, folder, checker, tmp):
    """The name of a tunnel, beside others."""
    path = tmp / "plant.conf"
    path.write_text(f"[tunnel plant]\ndestination = {sshd.host}\n"
                    f"F = {sshd.config}\nL = sftp/0:{folder}\n")
    report = checker("-f", path, "plant")
    report.all_well()
    assert report.find("write test")["forward"] == f"-L sftp/0:{folder}"
    assert report.json["command"] == f"culvert up -f {path} plant"


# Lines of sshd_config or options of the key; the step, words of it, and the
# line of sshd_config that fixes it.
REFUSED = {
    "sessions": ("MaxSessions 0", "refuses a session for SFTP", "MaxSessions 10"),
    "command": ("ForceCommand /bin/false", "another program",
                "ForceCommand internal-sftp"),
    "words": ("ForceCommand echo This account is not for you",
              "does not speak SFTP", "ForceCommand internal-sftp"),
    "program": ("Subsystem sftp /usr/lib/none", "another program",
                "Subsystem sftp internal-sftp"),
}


@pytest.mark.parametrize("line, words, fix", REFUSED.values(), ids=REFUSED)
def test_refused(line, words, fix, start_sshd, check):
    """sshd starts no SFTP server; the suggested line fixes it."""
    sshd = start_sshd(line)
    fixes = last(check(sshd), "SFTP", words)
    assert (f"sshd_config of {sshd.ns.far4}", fix) in fixes
    check(start_sshd(fix)).all_well()


def test_no_subsystem(start_sshd, check):
    """There is no Subsystem line; the suggested line fixes it."""
    sshd = start_sshd()
    path = pathlib.Path(sshd.dir, "sshd_config")
    text = path.read_text()
    path.write_text(text.replace("Subsystem sftp internal-sftp\n", ""))
    sshd.stop()
    sshd.start()
    fix = f"sshd_config of {sshd.ns.far4}", "Subsystem sftp internal-sftp"
    assert last(check(sshd), "SFTP", "does not offer SFTP") == [fix]
    path.write_text(f"{path.read_text()}{fix[1]}\n")
    sshd.stop()
    sshd.start()
    check(sshd).all_well()


def test_hangs(start_sshd, check):
    """The program in place of the SFTP server says nothing."""
    sshd = start_sshd("ForceCommand sleep 1000")
    last(check(sshd, "--timeout", "1"), "SFTP", "does not answer")


def test_command_of_the_key(start_sshd, check):
    """The key runs another program; the suggested options fix it."""
    sshd = start_sshd()
    set_key_options(sshd, 'restrict,command="/bin/false"')
    fixes = last(check(sshd), "SFTP", "command option of this key")
    assert fixes[0] == (f"{sshd.dir}/user_key.pub:1 of {sshd.ns.far4}, in "
                        "front of the key", 'restrict,command="internal-sftp"')
    set_key_options(sshd, fixes[0][1])
    check(sshd).all_well()


# ---- the server can do less ----

def test_read_only_server(start_sshd, folder, check):
    """It refuses to store files."""
    sshd = start_sshd(f"Subsystem sftp {SERVER} -R")
    fixes = last(check(sshd), "write test", "may not store .*Permission")
    assert ("culvert's command line", "--read-only") in fixes
    # Somewhere below its home, clients may store files.
    report = check(sshd, directory=None)
    assert report.status == 3
    assert report.find("write test")["status"] == "untried"
    report = check(sshd, "--read-only")
    report.all_well()
    assert report.find("write test")["status"] == "skipped"
    assert not report.has("speed")
    assert report.json["authorized_keys"] == \
        'restrict,command="internal-sftp -R"'


@pytest.mark.parametrize("upload", ["atomic", "in-place"])
def test_no_rename(upload, start_sshd, folder, check):
    """It cannot rename at all."""
    sshd = start_sshd(f"Subsystem sftp {SERVER} -P posix-rename,rename")
    report = check(sshd, "--upload", upload)
    finding = report.find("write test")
    assert "cannot be renamed" in finding["text"]
    assert ("culvert's command line", "--upload in-place") in \
        report.fixes("write test")
    assert " --upload in-place " in report.json["command"]
    assert finding["status"] == ("WRONG" if upload == "atomic" else "note")
    assert report.status == (1 if upload == "atomic" else 0)
    assert not any("renamed over another" in one["text"]
                   for one in report.checks)


def test_no_extensions(start_sshd, folder, check):
    """It has none of the extensions; renaming takes a backup name."""
    names = "posix-rename,statvfs,limits,fsync"
    sshd = start_sshd(f"Subsystem sftp {SERVER} -P {names}")
    report = check(sshd, "--fsync")
    assert report.status == 0 and report.json["transfers"] == "work"
    assert "extensions: none; lacks" in report.find("SFTP")["text"]
    texts = [one["text"] for one in report.checks
             if one["check"] == "extensions"]
    assert [text.split(",")[0] for text in texts] == [
        "without posix-rename", "without fsync", "without limits"]
    assert report.find("free space")["status"] == "skipped"
    assert report.find("write test")["status"] == "ok"


def test_no_posix_rename(start_sshd, check):
    """That alone is a note, and none for uploads in place."""
    sshd = start_sshd(f"Subsystem sftp {SERVER} -P posix-rename")
    assert check(sshd).find("extensions")["status"] == "note"
    check(sshd, "--upload", "in-place").all_well()


def test_not_removable(start_sshd, folder, check):
    """Test files that cannot be removed are named."""
    sshd = start_sshd(f"Subsystem sftp {SERVER} -P remove")
    report = check(sshd)
    finding = report.find("write test")
    assert finding["status"] == "note" and report.status == 0
    path, = folder.iterdir()
    assert report.fixes("write test") == [(sshd.ns.far4, f"rm {path}")]
    path.unlink()


def test_not_readable(start_sshd, check):
    """It denies READ, as drop directories do."""
    sshd = start_sshd(f"Subsystem sftp {SERVER} -P read,opendir")
    report = check(sshd)
    assert report.status == 0
    assert "cannot list" in report.find("directory")["text"]
    finding = report.find("write test")
    assert finding["status"] == "note" and "downloads" in finding["text"]
    assert report.find("write test", 1)["status"] == "ok"


@pytest.mark.parametrize("kind", SFTP_SERVERS)
def test_servers(kind, ns, directories, start_culvert, checker):
    """The check says of a server what an FTP client finds."""
    server = SFTP_SERVERS[kind](ns, directories())
    try:
        argv = *server.extra, "-F", server.config, "-L", \
            f"sftp/0:{server.directory}".rstrip(":"), server.host
        report = checker(*argv)
        left = [path.name for path in server.root.iterdir()]
        assert bool(left) == ("remove" in kind), report.brief()
        tunnel = start_culvert(f"sftp/0:{server.directory}".rstrip(":"),
                               sshd=server, options=["-v", *server.extra])
        uploads, downloads = transfers(tunnel, server)
        assert report.json["transfers"] == ("work" if uploads else "fail"), \
            report.brief()
        assert report.has("speed") == downloads or not uploads
        tunnel.stop()
    finally:
        server.stop()


def transfers(tunnel, server):
    """Return whether a file can be replaced, and read."""
    file = server.root / "file"
    file.write_bytes(b"old")
    os.chown(file, *server.owner)
    got = bytearray()
    for do in (lambda ftp: ftp.storbinary("STOR file", io.BytesIO(b"new")),
               lambda ftp: ftp.retrbinary("RETR file", got.extend)):
        with contextlib.suppress(*ftplib.all_errors), ftplib.FTP() as ftp:
            ftp.connect(*tunnel.listeners[0])
            ftp.login("anybody", "anything")
            do(ftp)
    return file.read_bytes() == b"new", bytes(got) == file.read_bytes()


# ---- directories and space ----

@pytest.mark.parametrize("kind", ["missing", "file"])
def test_no_directory(kind, sshd, folder, checker):
    """The directory does not exist, or is a file."""
    path = folder / "it's"
    if kind == "file":
        path.touch()
    report = checker("-F", sshd.config, "-L", f"sftp/0:{path}", sshd.host)
    fixes = last(report, "directory", "No such" if kind == "missing" else
                 "is a file")
    assert fixes[-1][1].endswith(" with another directory at the end")
    if kind == "file":
        assert len(fixes) == 1
    else:
        assert fixes[0][1] == f"mkdir '{folder}/it'\\''s'"
        checker.shell(fixes[0][1])
        checker("-F", sshd.config, "-L", f"sftp/0:{path}",
                sshd.host).all_well()


@pytest.fixture
def root():
    """Return a directory for chroot: root alone can write above it."""
    with tempfile.TemporaryDirectory(dir="/var") as path:
        os.chmod(path, 0o755)
        os.mkdir(f"{path}/up")
        yield pathlib.Path(path)


def test_chroot(root, start_sshd, checker):
    """The suggested lines of sshd_config permit no more than SFTP."""
    sshd = start_sshd()
    argv = "-L", "sftp/0:/up"
    report = checker("-F", sshd.config, "-L", f"sftp/0:{root}/up", sshd.host)
    lines = report.json["sshd_config"].replace("DIRECTORY", str(root))
    assert lines.splitlines() == [
        "Match User root", "    ForceCommand internal-sftp",
        "    DisableForwarding yes", f"    ChrootDirectory {root}"]
    # The first value of an option counts, so these may come first.
    strict = start_sshd(*lines.splitlines(), "Match all")
    checker("-F", strict.config, *argv, strict.host).all_well()
    done = subprocess.run(
        ["ssh", "-F", strict.config, "-W", f"127.0.0.1:{strict.port}",
         strict.host], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=20)
    assert "stdio forwarding failed" in done.stderr
    done = subprocess.run(
        ["ssh", "-F", strict.config, strict.host, "echo shell"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert "shell" not in done.stdout
    assert not list((root / "up").iterdir())


def test_little_space(small_disk, start_sshd, checker):
    """The test file takes a small part of the free space only."""
    small, sshd = small_disk("1m"), start_sshd()
    report = checker("-F", sshd.config, "-L", f"sftp/0:{small}", sshd.host)
    report.all_well()
    assert report.find("free space")["text"] == "1.0 MiB of 1.0 MiB"
    assert "128.0 KiB" in report.find("speed")["text"]


def test_full(small_disk, start_sshd, checker):
    """The file system is full."""
    small = small_disk("1m")
    (small / "big").write_bytes(bytes(1024 * 1024))
    sshd = start_sshd()
    report = checker("-F", sshd.config, "-L", f"sftp/0:{small}", sshd.host)
    assert report.find("free space")["status"] == "note"
    assert last(report, "write test", "cannot be stored .*full")[0][1] == \
        f"df {small}"
    assert [path.name for path in small.iterdir()] == ["big"]


def test_slow(start_sshd, tmp, folder, check):
    """On a slow path the test file is smaller."""
    program = tmp / "slow.py"
    program.write_text(SLOW)
    report = check(start_sshd(
        f"Subsystem sftp /usr/bin/python3 {program} {SERVER} {tmp}/pid"))
    report.all_well()
    speed = report.find("speed")["text"]
    assert re.search(r"^up \d+ kB/s, down ", speed), speed
    assert not speed.endswith("4.0 MiB"), speed


# ---- with others ----

def test_other_hosts(sshd, ns, folder, checker, tmp):
    """Clients of other hosts need --allow and passwords."""
    logins = tmp / "logins"
    logins.touch(0o600)
    argv = ["-F", sshd.config, "-L", f"sftp/*:0:{folder}"]
    report = checker(*argv, sshd.host)
    assert report.fixes("listen") == [
        ("culvert's command line", "--allow NETWORK")]
    argv += ["--allow", "192.0.2.0/24"]
    report = checker(*argv, sshd.host)
    assert report.fixes("listen") == [
        ("culvert's command line", "--login-file FILE")]
    assert " --login-file FILE " in report.json["command"]
    checker(*argv, "--login-file", logins, sshd.host).all_well()


@pytest.mark.parametrize("text, why", [
    (None, "No such file or directory"), ("alice\n", "line 1: no hash")])
def test_login_file(text, why, sshd, folder, checker, tmp):
    """culvert would refuse it."""
    logins = tmp / "logins"
    if text:
        logins.write_text(text)
        logins.chmod(0o600)
    forward = f"sftp/0:{folder}"
    path = tmp / "plant.conf"
    path.write_text(f"[tunnel plant]\ndestination = {sshd.host}\n"
                    f"F = {sshd.config}\nL = {forward}\n"
                    f"login-file = {logins}\n")
    for argv in (["-f", path, "plant"],
                 ["-F", sshd.config, "-L", forward, "--login-file", logins,
                  sshd.host]):
        report = checker(*argv)
        assert report.status == 1
        assert why in report.find("login file")["text"]
        assert report.find("write test")["status"] == "ok"


def test_with_ftp(start_sshd, vsftpd, folder, checker):
    """A tunnel to an FTP server as well: one key permits both."""
    sshd = start_sshd()
    argv = ["-F", sshd.config, "-L", f"sftp/0:{folder}", "-L",
            f"0:127.0.0.1:{vsftpd.port}", sshd.host]
    report = checker(*argv)
    report.all_well()
    assert report.has("PASV") and report.has("Nagle")
    line = report.json["authorized_keys"]
    assert line.startswith('restrict,port-forwarding,command="internal-sftp",'
                           'permitopen="127.0.0.1:*"')
    assert report.json["sshd_config"] == ""
    set_key_options(sshd, line)
    checker(*argv).all_well()


# ---- ends in the middle ----

SLOW = """\
import os, subprocess, sys, time
open(sys.argv[2], "w").write(f"{os.getpid()}\\n")
with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE) as server:
    while data := os.read(0, 8192):
        server.stdin.write(data)
        server.stdin.flush()
        time.sleep(0.02)
"""


@pytest.fixture
def start_writing(start_sshd, folder, tmp, checker):
    """Return a function that starts a check, with these options.

    It returns when the check is storing its test file, on a slow server.
    """
    program = tmp / "slow.py"
    program.write_text(SLOW)
    sshd = start_sshd(
        f"Subsystem sftp /usr/bin/python3 {program} {SERVER} {tmp}/pid")
    started = []

    def start(*options):
        process = Process(
            [culvert.PROGRAM, "check", *options, "-F", sshd.config, "-L",
             f"sftp/0:{folder}", sshd.host], env=checker.environment(),
            start_new_session=True)
        started.append(process)
        until(lambda: any(path.stat().st_size for path in folder.iterdir()),
              "the test file is written")
        return process

    yield start
    for process in started:
        assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


@pytest.fixture
def writing(start_writing):
    """Return such a check, which waits long for replies."""
    return start_writing("--timeout", "100")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP,
                                    signal.SIGTERM])
def test_interrupted(number, writing, folder):
    """A signal, also from the terminal to ssh as well: nothing is left."""
    if number == signal.SIGTERM:
        os.kill(writing.pid, number)
    else:
        os.killpg(writing.pid, number)
    assert writing.wait() == 3
    assert not list(folder.iterdir()), writing.output
    assert "may be left" not in writing.output


def test_interrupted_twice(writing, folder):
    """The second signal does not wait for the server."""
    ssh, = culvert.all_ssh_of(writing.pid)
    path, = folder.iterdir()
    os.kill(ssh, signal.SIGSTOP)

    def ends():
        os.kill(writing.pid, signal.SIGINT)
        return f'"{path}" may be left' in writing.output

    try:
        until(ends, "culvert check ends")
    finally:
        os.kill(ssh, signal.SIGCONT)
    assert writing.wait() == 3


def test_link_lost(writing, folder):
    """The SSH connection is lost: the file that may be left is named."""
    ssh, = culvert.all_ssh_of(writing.pid)
    path, = folder.iterdir()
    os.kill(ssh, signal.SIGKILL)
    assert writing.wait() == 1
    assert f'"{path}" may be left' in writing.output
    assert re.search("^WRONG +ssh +", writing.output, re.M), writing.output


def test_server_lost(writing, folder, tmp):
    """The SFTP server ends while the file is written: so it is reported."""
    path, = folder.iterdir()
    os.kill(int((tmp / "pid").read_text()), signal.SIGKILL)
    assert writing.wait() == 1
    assert re.search("^WRONG +write test +a file of 4.0 MiB cannot be stored",
                     writing.output, re.M), writing.output
    assert f"rm {path}" in writing.output


def test_server_stops(start_writing, folder, tmp):
    """The SFTP server does not answer any more while the file is written."""
    process = start_writing("--timeout", "1")
    path, = folder.iterdir()
    server = int((tmp / "pid").read_text())
    os.kill(server, signal.SIGSTOP)
    assert process.wait() == 1
    os.kill(server, signal.SIGKILL)
    assert re.search("^WRONG +write test .*does not answer", process.output,
                     re.M), process.output
    assert f"rm {path}" in process.output


def test_interrupted_at_a_question(sshd, folder, tmp):
    """^C while ssh asks for a passphrase, although ssh ignores it."""
    key = tmp / "locked"
    shutil.copy(f"{sshd.dir}/user_key", key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "sesame", "-f",
                    key], check=True)
    config = tmp / "config"
    config.write_text(pathlib.Path(sshd.config).read_text().replace(
        f"{sshd.dir}/user_key", str(key)))
    with contextlib.closing(cli.Terminal(
            [culvert.PROGRAM, "check", "-F", config, "-L",
             f"sftp/0:{folder}", sshd.host],
            cli.environment(tmp))) as one:
        one.wait_for("Enter passphrase for key")
        one.type("\x03")
        assert one.wait() == 3, one.text
        assert one.echoes()
