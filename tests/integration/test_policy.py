"""What the user lets nobody do: --read-only, --deny, --allow-path, --deny-path.

With real servers, which read lines and paths in ways of their own: whatever
they may take for a command, or for a path, does not reach them.  The decisions one by one: tests/vectors/engine/policy-*.txt.
"""

import os
import subprocess

import pytest

import limits
import scripted
from clients import CLIENTS, Target
from culvert import PROGRAM
from servers import KINDS
from test_limits import check_left_out
from test_up import conf, to  # noqa: F401
from transfer import Ftp, replies_to_end

# pylint: disable=redefined-outer-name

CONTENT = b"TOP SECRET" * 3133  # its size is that of no other file


def start(start_culvert, server, *options):
    """Start a culvert before that server."""
    return start_culvert(f"0:127.0.0.1:{server.port}", options=list(options))


def tree(path):
    """Return all that is below the path, with times and contents."""
    found = {}
    for place, names, files in os.walk(path):
        for name in [*names, *files]:
            whole = os.path.join(place, name)
            state = os.lstat(whole)
            with open(whole, "rb") if name in files else open(os.devnull) \
                    as file:
                found[whole] = state.st_mode, state.st_mtime, file.read()
    return found


@pytest.fixture
def place(server, tmp):
    """Return a function: kind to its server and a directory for this test."""
    def make(kind):
        one = server(kind)
        path = one.mkdir(tmp.name)
        return one, path
    return make


def put(path, content=b"whole"):
    """Make a file that the server's user may change."""
    path.write_bytes(content)
    os.chown(path, 65534, 65534)


# ---- --read-only ----

@pytest.mark.parametrize("client", ["curl", "lftp", "tnftp", "ftplib"])
@pytest.mark.parametrize("kind", KINDS)
def test_read_only(kind, client, place, start_culvert, tmp):
    """Real clients fetch and list, but store nothing."""
    one, path = place(kind)
    put(path / "file", b"content")
    tunnel = start(start_culvert, one, "--read-only")
    target = Target.behind(tunnel, one)
    before = tree(path)
    for mode in "passive", "active":
        local = tmp / mode
        CLIENTS[client].get(target, mode, f"{path.name}/file", local)
        assert local.read_bytes() == b"content"
        assert "file" in CLIENTS[client].list(target, mode, path.name).output
        CLIENTS[client].put(target, mode, local, f"{path.name}/new")
    tunnel.wait_log(r'\[\d+\] refused STOR "(.*/)?new": --read-only$')
    assert tree(path) == before


# Attempts to write all the same, each in its own session, after the login. @
# is the directory, ! ends the client's direction.
WRITES = [
    b"MKD @/x\r\n", b"mkd @/x\r\n", b"XMKD @/x\r\n", b"MKD @/x\n",
    b" MKD @/x\r\n", b"\tMKD @/x\r\n", b"MKD\t@/x\r\n", b"MKD  @/x\r\n",
    b"NOOP\rMKD @/x\r\n", b"NOOP\r\0MKD @/x\r\n", b"NOOP x\nMKD @/x\r\n",
    b"NOOP\0\r\nMKD @/x\r\n", b"\0MKD @/x\r\n", b"MKD\0@/x\r\n",
    b"\xff\xf4\xff\xf2MKD @/x\r\n", b"\xff\xfbMKD @/x\r\n",
    b"\xff\xf1MKD @/x\r\n", b"\xffMKD @/x\r\n", b"\xff\xffMKD @/x\r\n",
    b"M\xff\xf1KD @/x\r\n", b"NOOP \xff\xf8MKD @/x\r\n",
    b"NOOP\xff\xf8\r\nMKD @/x\r\n", b"\xcdKD @/x\r\n", b"MKD @/x!",
    b"A" * 8192 + b"MKD @/x\r\n", b"A" * 8191 + b"\nMKD @/x\r\n",
    b"A" * 4095 + b"\r\nMKD @/x\r\n", b"NOOP " + b"A" * 8000 + b"\rMKD @/x\r\n",
    b"SITE MKDIR @/x\r\n", b"SITE CHMOD 777 @/file\r\n",
    b"SITE UTIME @/file 20010101000000 20010101000000 20010101000000 UTC\r\n",
    b"SITE SYMLINK @/file @/x\r\n", b"SITE  CHMOD 777 @/file\r\n",
    b"MFMT 20010101000000 @/file\r\n", b"MDTM 20010101000000 @/file\r\n",
    b"MFF modify=20010101000000; @/file\r\n", b"DELE @/file\r\n",
    b"RNFR @/file\r\nRNTO @/x\r\n", b"RMD @/empty\r\n", b"RMDA @/empty\r\n",
    b"PASV\r\nSTOR @/file\r\n", b"PASV\r\nAPPE @/file\r\n",
    b"CWD @\r\nPASV\r\nSTOU\r\n", b"PASV\r\nREST 0\r\nSTOR @/x\r\n",
    b"AUTH TLS\r\nMKD @/x\r\n", b"ENC TUtEIHgNCg==\r\n",
]


# A server whose buffer is full takes the rest of a line for another one.
WRITES += [b"NOOP " + b"A" * (size - 5 - less) + b"MKD @/x\r\n"
           for size in (512, 1024, 4096) for less in (0, 1, 2)]


def test_read_only_cannot_be_bypassed(place, start_culvert):
    """No line that a server may take for a command changes anything."""
    for kind in [*KINDS, "inetutils"]:
        one, path = place(kind)
        put(path / "file")
        (path / "empty").mkdir()
        os.chown(path / "empty", 65534, 65534)
        tunnel = start(start_culvert, one, "--read-only")
        before = tree(path)
        for write in WRITES:
            with Ftp(tunnel, one) as ftp:
                half = write.endswith(b"!")
                ftp.send(write.removesuffix(b"!").replace(
                    b"@", path.name.encode()))
                if not half:
                    ftp.command("QUIT")
                ftp.half_close()
                replies_to_end(ftp)
            assert tree(path) == before, (kind, write)


# ---- --deny ----

@pytest.mark.parametrize("kind", ["vsftpd", "proftpd"])
def test_deny(kind, place, start_culvert):
    """A verb with both its names, and SITE with its word."""
    one, path = place(kind)
    put(path / "file")
    tunnel = start(start_culvert, one, "--deny", "MKD", "--deny", "site chmod")
    with Ftp(tunnel, one) as ftp:
        for verb in "MKD", "XMKD", "xmkd":
            assert ftp.exchange(f"{verb} {path.name}/x", "550") == \
                f"550 {verb.upper()} is not allowed here (culvert: --deny).\r\n"
        ftp.exchange(f"SITE CHMOD 777 {path.name}/file",
                     "550 SITE is not allowed")
        ftp.exchange("SITE HELP", "214")
        ftp.exchange(f"DELE {path.name}/file", "250")
    assert not os.listdir(path)
    tunnel.wait_log(r'refused SITE "CHMOD 777 .*/file": --deny site chmod$')


def test_a_refusal_cancels_rest(place, start_culvert):
    """A REST has no effect on the transfer after a refused one."""
    for kind in KINDS:
        one, path = place(kind)
        put(path / "file")
        tunnel = start(start_culvert, one, "--deny", "APPE")
        with Ftp(tunnel, one) as ftp:
            there = scripted.parse_port(ftp.exchange("PASV", "227"))
            ftp.exchange("REST 3", "350")
            ftp.exchange(f"APPE {path.name}/file", "550")
            with scripted.dial(*there) as data:
                ftp.exchange(f"RETR {path.name}/file", "1")
                assert data.read_all() == b"whole"
            ftp.expect("226")
            ftp.exchange("PWD", "257")


# ---- paths ----

# Paths that are not permitted; the working directory is @/pub/free.
FILES = [
    "../secret/file", "/@/pub/secret/file", "/@/pub/./secret/file",
    "//@//pub//secret//file", "/@/pub/free/../secret/file",
    "/@/pub/free/x/../../secret/file", "./../secret/file", "../../other/file",
    "/@/other/file", "../../../@/other/file", "~/@/other/file",
    "~tester/@/other/file", "\\@\\other\\file", "..\\secret\\file",
    '"/@/pub/secret/file"', "/@/pub/s?cret/file", "/@/pub/*/file",
    "/@/pub/{secret,free}/file", "/@/pub/free/[.][.]/secret/file",
    "../secret/file ", " ../secret/file", "../secret/../secret/file",
    "/@/pub/secret/./file", "/@/pub/secret//file/", "../secret\0/file",
    "/@/pub/free/../../other/file",
]
DIRECTORIES = [
    "", "..", "/", "/@", "../secret", "../secret/.", "../../other", "-a ..",
    "-la ../secret", "-la /@/other", "-l -a ../secret", "-R ..", "-R /@/pub",
    "-lR ..", "-a *", "-a .*", "-a .*/*", "*/../..", "../*", "../*/*",
    "../s*", "../{secret}", "{..,.}/secret", "[.][.]/secret", "./..",
    "-- ../secret", "-la", "-/../secret", "-a /../../@/other", "~/@/other",
    "/@/pub/*", "/@/pub/s*/*", "/@/other/*", "../secret/*", "?./secret",
    "x ../secret", ". ../secret", "-l . ../secret", ". /@/other", ". -R ..",
    ".. -R", ". -R /@/pub", ". ../s*",
]
RULES = ["--allow-path", "/@/pub/*", "--deny-path", "/@/pub/secret"]


def rules(path):
    """Return the options for that directory."""
    return [word.replace("@", path.name) for word in RULES]


def spell(words, kind, path):
    """Put the directory's path as the server has it in the place of @."""
    base = str(path)[1:] if kind == "inetutils" else path.name
    return words.replace("@", base)


@pytest.fixture
def maze(place):
    """Return a function: kind to its server and a directory with secrets."""
    def make(kind):
        one, path = place(kind)
        for name in "pub", "pub/free", "pub/free/x", "pub/secret", "other":
            one.mkdir(f"{path.name}/{name}")
        put(path / "pub/free/open", b"whole")
        for name in "pub/secret", "other":
            put(path / name / "file", CONTENT)
            put(path / name / "hidden", CONTENT)
        return one, path
    return make


def enter(ftp, path, name="pub/free"):
    """Go to where the spellings begin."""
    ftp.exchange(f"CWD /{path.name}/{name}", "250")


def transferred(ftp, command):
    """Return what a transfer command gets, or None if it is refused."""
    with ftp.prepare("passive")() as data:
        ftp.command(command)
        if not ftp.read_reply().startswith("1"):
            return None
        content = data.read_all()
    ftp.read_reply()
    return content


def test_permitted_paths(maze, start_culvert):
    """Permitted paths work, absolute and relative, with options, by any verb.
    """
    for kind in KINDS:
        one, path = maze(kind)
        tunnel = start(start_culvert, one, *rules(path))
        with Ftp(tunnel, one) as ftp:
            enter(ftp, path)
            for name in "open", "./open", f"/{path.name}/pub/free/open":
                assert transferred(ftp, f"RETR {name}") == b"whole", name
                ftp.exchange(f"SIZE {name}", "213 5")
                ftp.exchange(f"MDTM {name}", "213")
            for argument in "", ".", "-la", "-l .", f"/{path.name}/pub/free":
                if (kind, argument) == ("pyftpdlib", "-l ."):
                    continue  # it has options alone, or a path
                words = f"LIST {argument}".strip()
                assert b"open" in (transferred(ftp, words) or b""), \
                    (kind, words)
            if kind in ("vsftpd", "proftpd"):
                assert b"open" in (transferred(ftp, "NLST *") or b""), kind
            enter(ftp, path, "pub")
            assert transferred(ftp, "RETR free/open") == b"whole"
            ftp.exchange("CWD free", "250")
            ftp.exchange("CDUP", "2")
            ftp.exchange("MKD free/new", "257")
            ftp.exchange("RMD free/new", "250")
            ftp.exchange("RNFR free/open", "350")
            ftp.exchange("RNTO free/renamed", "250")
            ftp.exchange("DELE free/renamed", "250")
        assert "refused" not in tunnel.output


@pytest.mark.parametrize("kind", [*KINDS, "inetutils"])
def test_paths_cannot_be_bypassed(kind, maze, start_culvert):
    """No spelling leads to a path that is not permitted."""
    one, path = maze(kind)
    tunnel = start(start_culvert, one,
                   *(spell(word, kind, path) for word in RULES))
    free = spell("CWD /@/pub/free", kind, path)
    with Ftp(tunnel, one) as ftp:
        ftp.exchange(free, "250")
        for name in FILES:
            words = spell(name, kind, path)
            content = transferred(ftp, f"RETR {words}")
            assert content is None or b"SECRET" not in content, words
            for verb in "SIZE", "HASH", "MLST", "STAT", "XMD5":
                ftp.command(f"{verb} {words}")
                said = ftp.read_reply()
                assert str(len(CONTENT)) not in said, (verb, words)
            ftp.command(f"RNFR {words}")
            assert not ftp.read_reply().startswith("3"), words
        for name in DIRECTORIES:
            words = spell(name, kind, path)
            for verb in "LIST", "NLST", "MLSD":
                content = transferred(ftp, f"{verb} {words}".strip())
                assert b"hidden" not in (content or b""), (verb, words)
            ftp.command(f"STAT {words}".strip())
            assert "hidden" not in ftp.read_reply(), words
            ftp.command(f"CWD {words}".strip())
            ftp.read_reply()
            ftp.exchange(free, "250")


@pytest.mark.parametrize("kind", KINDS)
def test_paths_by_way_of_directories(kind, maze, start_culvert):
    """Nor does entering or renaming a directory."""
    one, path = maze(kind)
    tunnel = start(start_culvert, one, *rules(path))
    with Ftp(tunnel, one) as ftp:
        enter(ftp, path, "pub")
        ftp.exchange("CWD secret", "550")
        ftp.exchange("SIZE file", "550")
        ftp.exchange("CDUP", "550")
        ftp.exchange("CWD ..", "550")
        ftp.exchange(f"RNFR /{path.name}/pub", "550")
        ftp.exchange(f"RNFR /{path.name}", "550")
        # All in one piece.
        ftp.command("CWD free", "CWD ../secret", "SIZE file",
                    "CDUP", "CDUP", "SIZE other/file", "PWD")
        for code in "250", "550", "550", "2", "550", "550", "257":
            ftp.expect(code)
        ftp.exchange(f"CWD /{path.name}/other", "550 CWD is not allowed here"
                     " (culvert: --allow-path)")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_with_quotes(kind, maze, start_culvert):
    """The reply to PWD is parsed as the server writes it.

    pure-ftpd does not double quotes: then relative paths are refused.
    """
    one, path = maze(kind)
    tunnel = start(start_culvert, one, *rules(path))
    with Ftp(tunnel, one) as ftp:
        enter(ftp, path, "pub")
        ftp.exchange('MKD a "b" c', "257")
        ftp.exchange('CWD a "b" c', "250")
        ftp.exchange("SIZE ../secret/file", "550 SIZE is not allowed here")
        ftp.exchange("MKD new", "550 MKD is not allowed here"
                     if kind == "pure-ftpd" else "257")
        ftp.exchange(f"SIZE /{path.name}/pub/free/open", "213")


@pytest.mark.parametrize("client", ["curl", "lftp", "ncftp", "wget"])
def test_paths_with_clients(client, maze, start_culvert, tmp):
    """Real clients get what is permitted, and nothing else."""
    for kind in KINDS:
        one, path = maze(kind)
        tunnel = start(start_culvert, one, *rules(path))
        target = Target.behind(tunnel, one)
        local = tmp / kind
        one = CLIENTS[client]
        words = target, "passive", f"{path.name}/pub/free/open", local
        if client == "curl":
            # It would enter the directory above pub first, which is not
            # permitted.
            one.run(target, [*one.get_argv(*words),
                             "--ftp-method", "singlecwd"])
        else:
            one.get(*words)
        assert local.read_bytes() == b"whole", kind
        for name in "pub/secret/file", "other/file":
            one.get(target, "passive", f"{path.name}/{name}",
                    tmp / f"{kind}-no")
            assert not (tmp / f"{kind}-no").exists() or \
                not (tmp / f"{kind}-no").stat().st_size


# ---- the log, and the options ----

def test_log_is_limited(session):
    """Refusals that a client provokes are counted beyond a few."""
    one = session(options=["--read-only"])
    more = 7
    for number in range(limits.LIMIT_LOG_WARNINGS + more):
        one.client.exchange(f"DELE {number}\x1b", "550")
    for number in range(3):
        one.client.exchange(
            f"DELE {number}",
            "550 DELE is not allowed here (culvert: --read-only)")
    for wire in one:
        wire.close()
    check_left_out(one.culvert, "refused DELE", more + 3)
    assert "\x1b" not in one.culvert.output


@pytest.mark.parametrize("options, why", [
    (["--read-only", "--allow-tls"], "--allow-tls hides commands"),
    (["--deny", "STOR", "--allow-tls"], "--allow-tls hides commands"),
    (["--deny-path", "/x", "--allow-tls"], "--allow-tls hides commands"),
    (["--deny", "ST"], "expected a verb"),
    (["--deny", "STOR*"], "expected a verb"),
    (["--deny", "STOR x"], "expected a verb"),
    (["--deny", ""], "expected a verb"),
    (["--allow-path", "pub"], "expected a path"),
])
def test_options(options, why):
    """Options that contradict each other are errors at the start."""
    child = subprocess.run([PROGRAM, *options, "host"], timeout=30,
                           capture_output=True, text=True)
    assert child.returncode == 2
    assert why in child.stderr


def test_configuration(conf, sshd, server, start_up):
    """The same as keys, each tunnel with its own."""
    one = server("vsftpd")
    path = conf(reads=to(sshd, one, "read-only = yes"),
                writes=to(sshd, one, "deny = STOR", "deny = SITE CHMOD",
                          "allow-path = /*", "deny-path = /secret"))
    tunnels = start_up(path, "--all", listeners=2)
    with Ftp(tunnels, one) as ftp:
        ftp.exchange("DELE x",
                     "550 DELE is not allowed here (culvert: --read-only")
    with Ftp(tunnels, one, 1) as ftp:
        ftp.exchange("DELE x", "550")
        ftp.exchange("STOR x",
                     "550 STOR is not allowed here (culvert: --deny)")
        ftp.exchange("SITE CHMOD 1 x",
                     "550 SITE is not allowed here (culvert: --d")
        ftp.exchange("DELE /secret/x",
                     "550 DELE is not allowed here (culvert: --d")
