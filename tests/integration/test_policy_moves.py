"""--allow-path, and clients that know what servers make of a directory.

A relative path is judged by where the server says that it is.  Here that is
made wrong, in the ways that were found: the directory is moved, the name of
RNFR is looked for in another one, and names of files pass for replies.
"""

import contextlib

import pytest

from servers import ALL_KINDS
from test_policy import (  # noqa: F401
    CONTENT, maze, place, put, rules, spell, start, transferred)
from transfer import Ftp

# pylint: disable=redefined-outer-name


@pytest.fixture
def session(maze, start_culvert):
    """Return a function: kind to a session, its directory, and a speller."""
    with contextlib.ExitStack() as stack:
        def make(kind):
            one, path = maze(kind)
            tunnel = start(start_culvert, one, "--allow-path",
                           spell("/@/pub/*", kind, path))
            ftp = stack.enter_context(Ftp(tunnel, one))
            return ftp, path, lambda words: spell(words, kind, path)
        yield make


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_directory_that_is_moved(kind, session):
    """After a move, the parent is another directory."""
    ftp, _, at = session(kind)
    for words, code in ("MKD /@/pub/a", "257"), ("MKD /@/pub/a/b", "257"), \
            ("CWD /@/pub/a/b", "250"), ("RNFR /@/pub/a/b", "350"), \
            ("RNTO /@/pub/b", "250"):
        ftp.exchange(at(words), code)
    for name in "../../other/file", "./../../other/file":
        assert CONTENT not in (transferred(ftp, f"RETR {name}") or b"")
        ftp.exchange(f"RNFR {name}", "550")
    for words in "LIST ../../other", "NLST ../../other/*", "LIST ../..":
        assert b"hidden" not in (transferred(ftp, words) or b""), words
    # Where it is entered PWD says where that is.
    ftp.command("CWD ../../other")
    ftp.read_reply()
    assert CONTENT not in (transferred(ftp, "RETR file") or b"")


@pytest.mark.parametrize("kind", ["vsftpd", "pure-ftpd", "pyftpdlib"])
def test_another_directory_behind_rnfr(kind, session):
    """RNTO does not look up the name of RNFR in another directory."""
    ftp, path, at = session(kind)
    put(path / "pub/free/file")
    put(path / "pub/file", CONTENT)
    ftp.exchange(at("CWD /@/pub/free"), "250")
    ftp.exchange("RNFR file", "350")
    ftp.exchange(at("CWD /@/pub"), "250")
    ftp.exchange(at("RNTO /@/pub/free/got"), "550 RNTO is not allowed here")
    assert (path / "pub/file").read_bytes() == CONTENT
    ftp.exchange("RNFR free/file", "350")
    ftp.exchange("RNTO free/got", "250")


@pytest.mark.parametrize("kind", ["pure-ftpd", "inetutils"])
def test_names_that_look_like_replies(kind, session):
    """A line of a listing is not taken for the reply to CWD or to PWD."""
    ftp, path, at = session(kind)
    ftp.exchange(at("CWD /@/pub"), "250")
    # To STAT, to CWD and to PWD: as the glob below puts them.
    end = "213" if kind == "pure-ftpd" else "211"
    fake = at('257 "/@/pub/free/x/" x').split("/")
    for line in [[f"{end} x", *["x"] * (len(fake) - 1)],
                 ["250 x", *["x"] * (len(fake) - 1)], fake]:
        for depth in range(len(line)):
            ftp.exchange("MKD " + "/".join(line[:depth + 1]), "257")
    stars = "2*" + "/*" * (len(fake) - 1)
    ftp.command(f"STAT -1d {stars}", "CWD x", "MKD believed")
    ftp.expect("550 STAT is not allowed here")
    ftp.expect("550")
    ftp.expect("257")
    assert (path / "pub/believed").is_dir()
