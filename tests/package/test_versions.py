"""One version everywhere: that of meson.build."""

import pathlib
import re
import subprocess

from test_completions import PROGRAM, REPO

VERSION = re.search(r"^ *version: '([^']+)',$",
                    (REPO / "meson.build").read_text(), re.MULTILINE)[1]


def test_program():
    """culvert --version."""
    said = subprocess.run([PROGRAM, "--version"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    assert said == f"culvert {VERSION}\n"


def test_news():
    """The first heading of NEWS.md, and it says so if it is not out yet."""
    first = re.search("^## (.*)$", (REPO / "NEWS.md").read_text(),
                      re.MULTILINE)[1]
    assert first.split()[0] == VERSION
    changelog = (REPO / "dist/debian/changelog").read_text()
    assert ("not released" in first) == ("UNRELEASED" in changelog)


def test_package():
    """debian/changelog, and what has been built of it."""
    changelog = (REPO / "dist/debian/changelog").read_text()
    assert re.match(r"culvert \(([^)]+)\) ", changelog)[1] == VERSION
    assert [path.name.split("_")[1]
            for path in pathlib.Path(REPO, "build").glob("culvert_*.deb")] \
        == [VERSION]
