"""The numbers of src/limits.h, by their names."""

import re

from culvert import REPO

_LINE = re.compile(r"^#define (LIMIT_\w+) (.+)$", re.M)


def _read():
    found = {}
    with open(REPO / "src/limits.h") as file:
        for name, value in _LINE.findall(file.read()):
            assert re.fullmatch(r"[\d ()*]+", value), f"{name} is {value}"
            found[name] = eval(value)  # digits, brackets and stars
    return found


globals().update(_read())


def kib(*names):
    """Return the sum of sizes in KiB: kib("LIMIT_HIGH_WATER", ...)."""
    return sum(globals()[name] for name in names) // 1024
