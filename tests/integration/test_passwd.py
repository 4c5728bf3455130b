"""culvert passwd: what is in the file afterwards, and what is not."""

import ctypes
import os
import re
import resource
import signal
import stat
import struct
import subprocess

import pytest

import cli
import culvert
from process import FAILSAFE
from servers import NOBODY

# The longest password of crypt(3), without its NUL.
LONGEST = 511

TOO_LONG = "x" * (LONGEST + 1) + "\n"

NOT_REGULAR = "neither a regular file nor a symbolic link to one"

OTHERS = ("# who may log in\n"
          "carol:*:/carol:read-only\n"
          "\n"
          "dave:!\n")

LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
LIBCRYPT.crypt.restype = ctypes.c_char_p


def passwd(tmp, *argv, password="secret\n", **more):
    """Run it on the file "logins" of tmp: (status, what it said)."""
    done = subprocess.run(
        [culvert.PROGRAM, "passwd", *argv], input=password.encode(), cwd=tmp,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FAILSAFE,
        env=cli.environment(tmp), **more)
    said = done.stdout.decode()
    assert not culvert.SANITIZER.search(said), said
    return done.returncode, said


def matches(password, hashed):
    """Return whether this is the hash of that password."""
    assert re.fullmatch(r"\$y\$j9T\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{43}",
                        hashed), hashed
    return LIBCRYPT.crypt(password.encode(),
                          hashed.encode()).decode() == hashed


def line_of(text, user):
    """Return the fields of the only line of that user."""
    lines = [line for line in text.splitlines()
             if line.split(":")[0] == user]
    assert len(lines) == 1, text
    return lines[0].split(":")


@pytest.fixture
def logins(tmp):
    """Return a login file that has users, and must be the only one left."""
    path = tmp / "logins"
    path.write_text(OTHERS)
    yield path
    assert os.listdir(tmp) == ["logins"]


@pytest.fixture
def terminal(tmp):
    """Return a function that runs culvert on a terminal of its own."""
    with cli.terminals(tmp) as run:
        yield run


# ---- what is written ----

def test_new_file(tmp):
    """It has mode 0600, whatever the umask, and nothing is beside it."""
    before = os.umask(0)
    try:
        assert passwd(tmp, "logins", "alice") == (0, "")
    finally:
        os.umask(before)
    path = tmp / "logins"
    user, hashed = path.read_text().removesuffix("\n").split(":")
    assert user == "alice"
    assert matches("secret", hashed) and not matches("Secret", hashed)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert os.listdir(tmp) == ["logins"]


def test_another_salt(tmp, logins):
    """The same password has another hash each time."""
    found = set()
    for _ in range(3):
        assert passwd(tmp, "logins", "alice") == (0, "")
        found.add(line_of(logins.read_text(), "alice")[1])
    assert len(found) == 3


def test_added(tmp, logins):
    """A new user is behind the others, which stay as they are."""
    assert passwd(tmp, "logins", "al b") == (0, "")
    text = logins.read_text()
    assert text.startswith(OTHERS) and text.endswith("\n")
    assert matches("secret", line_of(text, "al b")[1])
    logins.write_text(OTHERS.removesuffix("\n"))
    assert passwd(tmp, "logins", "alice") == (0, "")
    assert logins.read_text().startswith(OTHERS + "alice:$y$")


def test_replaced(tmp, logins):
    """A user keeps the place, the directory and the rules."""
    assert passwd(tmp, "logins", "carol") == (0, "")
    text = logins.read_text()
    hashed, directory, rules = line_of(text, "carol")[1:]
    assert matches("secret", hashed)
    assert (directory, rules) == ("/carol", "read-only")
    assert text.replace(hashed, "*") == OTHERS
    assert passwd(tmp, "logins", "dave", password="other") == (0, "")
    new = line_of(logins.read_text(), "dave")
    assert len(new) == 2 and matches("other", new[1])


@pytest.mark.parametrize("user, options, fields", [
    ("carol", ["--directory", "a b/\u00e4"], ["a b/\u00e4", "read-only"]),
    ("carol", ["--directory="], ["", "read-only"]),
    ("dave", ["--directory", "/d"], ["/d"]),
    ("dave", ["--read-only"], ["", "read-only"]),
    ("dave", ["--read-only", "--directory", "/d"], ["/d", "read-only"]),
    ("erin", ["--directory", "/e"], ["/e"]),
    ("erin", ["--read-only"], ["", "read-only"]),
])
def test_options(user, options, fields, tmp, logins):
    """What is given replaces what is there; the rest is kept."""
    assert passwd(tmp, *options, "logins", user) == (0, "")
    assert line_of(logins.read_text(), user)[2:] == fields


def test_delete(tmp, logins):
    """Only the line of the user goes, and nothing is asked."""
    assert passwd(tmp, "--delete", "logins", "carol", password="") == (0, "")
    assert logins.read_text() == OTHERS.replace(
        "carol:*:/carol:read-only\n", "")
    assert passwd(tmp, "--delete", "logins", "dave", password="") == (0, "")
    assert logins.read_text() == "# who may log in\n\n"
    assert passwd(tmp, "--delete", "logins", "dave", password="") == (
        1, "culvert: logins: there is no user dave\n")


# User 1 may read, besides the owner and the group.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, who) for tag, perm, who in [
        (1, 6, 2**32 - 1), (2, 4, 1), (4, 0, 2**32 - 1),
        (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)])


def set_acl(path, kind):
    """Set this access control list; returns False if there are none here."""
    try:
        os.setxattr(path, f"system.posix_acl_{kind}", ACL)
    except OSError:
        return False
    return True


def test_rights_are_kept(tmp, logins):
    """Mode, owner, group and access control list."""
    os.chown(logins, NOBODY, 1)
    os.chmod(logins, 0o640)
    acls = set_acl(logins, "access")
    assert passwd(tmp, "logins", "alice") == (0, "")
    now = logins.stat()
    assert stat.S_IMODE(now.st_mode) == 0o640
    assert (now.st_uid, now.st_gid) == (NOBODY, 1)
    if acls:
        assert os.getxattr(logins, "system.posix_acl_access") == ACL


def test_no_rights_are_added(tmp, logins):
    """What the directory gives to new files is not given to this one."""
    if not set_acl(tmp, "default"):
        pytest.skip("this file system has no access control lists")
    os.chmod(logins, 0o640)
    assert passwd(tmp, "logins", "alice") == (0, "")
    assert stat.S_IMODE(logins.stat().st_mode) == 0o640
    with pytest.raises(OSError):
        os.getxattr(logins, "system.posix_acl_access")


def test_owner_cannot_be_kept(tmp, logins):
    """Another user with a right to the directory does not take the file."""
    os.chmod(tmp, 0o777)
    os.chmod(logins, 0o644)
    status, said = passwd(tmp, "logins", "alice", user=NOBODY)
    assert (status, said) == (
        1, "culvert: logins: cannot keep the owner, the mode and the access "
        "control list: Operation not permitted\n")
    assert logins.read_text() == OTHERS


def test_symbolic_link(tmp, logins):
    """The file behind the link is replaced, not the link."""
    (tmp / "link").symlink_to("logins")
    assert passwd(tmp, "link", "alice") == (0, "")
    assert (tmp / "link").is_symlink()
    assert logins.read_text().startswith(OTHERS + "alice:")
    (tmp / "link").unlink()


def test_link_to_no_file(tmp, logins):
    """A symbolic link to no file is refused: nobody knows what is meant."""
    (tmp / "link").symlink_to("none")
    assert passwd(tmp, "link", "alice") == (
        1, f"culvert: link: {NOT_REGULAR}\n")
    (tmp / "link").unlink()


@pytest.mark.parametrize("exists", [False, True])
def test_several_at_once(exists, tmp):
    """None loses what another has written."""
    if exists:
        (tmp / "logins").write_text(OTHERS)
    users = [f"user{i}" for i in range(12)]
    running = [subprocess.Popen(
        [culvert.PROGRAM, "passwd", "logins", user], stdin=subprocess.PIPE,
        cwd=tmp) for user in users]
    for one in running:
        one.stdin.write(b"secret\n")
        one.stdin.close()
    assert [one.wait(FAILSAFE) for one in running] == [0] * len(users)
    text = (tmp / "logins").read_text()
    assert text.startswith(OTHERS if exists else "user")
    for user in users:
        line_of(text, user)
    assert os.listdir(tmp) == ["logins"]


# ---- what is refused ----

@pytest.mark.parametrize("password, said", [
    ("", "the password is empty"),
    ("\nsecret\n", "the password is empty"),
    ("secret\r\n", "the password has a CR, which FTP cannot send"),
    ("sec\0ret\n", "the password has a NUL, which FTP cannot send"),
    (TOO_LONG, f"the password is longer than {LONGEST} bytes"),
], ids=range(5))
def test_bad_password(password, said, tmp, logins):
    """The file does not change."""
    assert passwd(tmp, "logins", "carol", password=password) == (
        1, f"culvert: {said}\n")
    assert logins.read_text() == OTHERS


def test_longest_password(tmp, logins):
    """The whole of it counts; the next line does not."""
    password = "x" * (LONGEST - 1) + "y"
    assert passwd(tmp, "logins", "alice",
                  password=f"{password}\nmore\n") == (0, "")
    hashed = line_of(logins.read_text(), "alice")[1]
    assert matches(password, hashed)
    assert not matches("x" * LONGEST, hashed)


@pytest.mark.parametrize("text, said", [
    ("alice:*\nbob\n",
     "line 2: no hash; a line is user:hash:directory:rules"),
    ("bob:*\nalice:*\nbob:*\n",
     "line 3: this user is in an earlier line already"),
    ("alice:*\r\n", "line 1: a CR, a NUL or another control character"),
    ("alice:secret\n",
     "line 1: not a complete hash of yescrypt, sha512crypt or bcrypt"),
])
def test_bad_file(text, said, tmp, logins):
    """It is reported before the user is asked, and stays as it is."""
    logins.write_text(text, newline="")
    assert passwd(tmp, "logins", "alice", password="") == (
        1, f"culvert: logins: {said}\n")
    with open(logins, newline="", encoding="ascii") as file:
        assert file.read() == text


@pytest.mark.parametrize("size", [1 << 20, 1 << 24])
def test_large_file(size, tmp, logins):
    """It is not read to its end, nor written."""
    text = "#\n" * (size // 2)
    logins.write_text(text)
    assert passwd(tmp, "logins", "alice") == (
        1, "culvert: logins: the file is too large\n")
    assert logins.read_text() == text


@pytest.mark.parametrize("options", [[], ["--delete"]])
@pytest.mark.parametrize("user", ["", " alice", "alice ", "#alice"])
def test_bad_user(user, options, tmp, logins):
    """A name that no line can have; the file is not wrong."""
    assert passwd(tmp, *options, "logins", user) == (
        2, "culvert: a user cannot be empty, begin or end with a blank, or "
        "begin with #\nculvert: see culvert passwd --help\n")
    assert logins.read_text() == OTHERS


@pytest.mark.parametrize("argv, said", [
    ([], "give a file and a user"),
    (["logins"], "give a file and a user"),
    (["logins", "alice", "secret"], "give a file and a user"),
    (["logins", "a:b"],
     "a user cannot have a colon or a control character"),
    (["logins", "a\n"],
     "a user cannot have a colon or a control character"),
    (["--directory", "/C:/x", "logins", "alice"],
     "a directory cannot have a colon or a control character"),
    (["--delete", "--read-only", "logins", "carol"],
     "--delete does not go with other options"),
    (["--delete", "--directory", "/", "logins", "carol"],
     "--delete does not go with other options"),
    (["--remove", "logins", "carol"], "unknown option --remove"),
    (["--directory"], "--directory needs a value"),
])
def test_bad_usage(argv, said, tmp, logins):
    """Status 2, and where help is."""
    assert passwd(tmp, *argv) == (
        2, f"culvert: {said}\nculvert: see culvert passwd --help\n")
    assert logins.read_text() == OTHERS


@pytest.mark.parametrize("path, said", [
    (".", NOT_REGULAR),
    ("none/logins",
     "cannot make a file in the same directory: No such file or directory"),
    ("logins/x", "Not a directory"),
])
def test_no_such_place(path, said, tmp, logins):
    """Where no file can be."""
    assert passwd(tmp, path, "alice") == (1, f"culvert: {path}: {said}\n")
    assert logins.read_text() == OTHERS


def test_fifo(tmp):
    """It does not wait for a writer."""
    os.mkfifo(tmp / "logins")
    assert passwd(tmp, "logins", "alice") == (
        1, f"culvert: logins: {NOT_REGULAR}\n")


def test_no_space(tmp, logins):
    """The new file cannot be written: nothing of it is left."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    assert passwd(tmp, "logins", "alice", preexec_fn=limit) == (
        1, "culvert: logins: cannot write the new file: File too large\n")
    assert logins.read_text() == OTHERS


# ---- on a terminal ----

def test_terminal(terminal, tmp, logins):
    """It asks twice, and shows nothing of the answers."""
    one = terminal("passwd", str(logins), "alice")
    one.wait_for("New password of alice: ")
    assert not one.echoes()
    one.type("s3cret\n")
    one.wait_for("The same again: ")
    assert not one.echoes()
    one.type("s3cret\n")
    assert one.wait() == 0, one.text
    assert "s3cret" not in one.text
    assert one.echoes()
    assert matches("s3cret", line_of(logins.read_text(), "alice")[1])


@pytest.mark.parametrize("first, second, said", [
    ("secret\n", "Secret\n", "the passwords differ"),
    ("secret\n", "\n", "the passwords differ"),
    ("\n", None, "the password is empty"),
    ("\x04", None, "the password is empty"),
])
def test_answers(first, second, said, terminal, tmp, logins):
    """An answer that does not do."""
    one = terminal("passwd", str(logins), "alice")
    one.wait_for("New password of alice: ")
    one.type(first)
    if second:
        one.wait_for("again: ")
        one.type(second)
    assert one.wait() == 1, one.text
    assert f"culvert: {said}\r\n" in one.text, one.text
    assert one.echoes()
    assert logins.read_text() == OTHERS


@pytest.mark.parametrize("how", ["\x03", "\x1c", signal.SIGTERM,
                                 signal.SIGHUP], ids=repr)
@pytest.mark.parametrize("answers", [0, 1])
def test_interrupted(answers, how, terminal, tmp, logins):
    """At a question: it ends by the signal, and the terminal echoes again."""
    one = terminal("passwd", str(logins), "alice")
    one.wait_for("New password of alice: ")
    if answers:
        one.type("secret\n")
        one.wait_for("again: ")
    one.type("sec")
    if isinstance(how, str):
        one.type(how)
        how = signal.SIGINT if how == "\x03" else signal.SIGQUIT
    else:
        os.kill(one.pid, how)
    assert one.wait() == -how, one.text
    assert one.echoes()
    assert logins.read_text() == OTHERS


def test_interrupted_while_writing(tmp, logins):
    """No signal leaves a temporary file."""
    for i in range(10):
        user = f"user{i}"
        with subprocess.Popen([culvert.PROGRAM, "passwd", "logins", user],
                              stdin=subprocess.PIPE, cwd=tmp) as one:
            one.stdin.write(b"secret\n")
            one.stdin.close()
            while os.listdir(tmp) == ["logins"] and one.poll() is None:
                pass
            one.send_signal(signal.SIGTERM)
            assert one.wait(FAILSAFE) in (0, -signal.SIGTERM)
        assert os.listdir(tmp) == ["logins"]
        assert logins.read_text().startswith(OTHERS)


def test_help(tmp):
    """-h and --help say the same."""
    status, said = passwd(tmp, "-h")
    assert status == 0 and said.startswith("usage: culvert passwd ["), said
    assert passwd(tmp, "--help") == (0, said)
