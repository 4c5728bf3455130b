#!/usr/bin/python3
"""Makes the table of doc/reliability.md out of what the tests have seen.

    reliability.py FILE...           print it
    reliability.py --write FILE...   put it into the document

FILE is what test_faults.py writes for RELIABILITY=FILE, a JSON object a line.
A fault at a point that none of them has is "unknown"; the exit status is 1 if
there is one.
"""

import collections
import json
import pathlib
import sys

from culvert import REPO
from faults import FAULTS, PLACES, all_points

DOCUMENT = REPO / "doc/reliability.md"
BEGIN, END = "<!-- of scripts/soak, from here -->\n", "<!-- to here -->\n"

UNKNOWN = "unknown"
PARTIES = "client", "server", "log"

# Points by what is going on, for the overview.
STAGES = {
    "before a transfer": ("greeting", "user", "idle", "asked", "answered",
                          "connected"),
    "transfer asked for": ("commanded",),
    "data flow": ("opened", "first", "middle", "full", "last"),
    "data ended": ("ended", "unread"),
    "ABOR": ("aborting",),
    "after it": ("stored", "quit"),
}

POINTS = all_points()
WAYS = collections.defaultdict(list)  # point: [(mode, direction)]
for _point in POINTS:
    WAYS[_point.name].append((_point.mode, _point.direction))


def read(paths):
    """Return {(fault, point, mode, direction): [what was seen]}."""
    found = collections.defaultdict(list)
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines():
            seen = json.loads(line)
            found[seen["fault"], seen["point"], seen["mode"],
                  seen["direction"]].append(seen)
    return found


def cell(found, fault, point, party):
    """Return what a party sees: in a cell that may differ, all of it."""
    seen = found.get((fault, point.name, point.mode, point.direction))
    if not seen:
        return (UNKNOWN,)
    return tuple(sorted({one[party] or "nothing" for one in seen}))


def in_words(seen):
    """Return one or several outcomes as text."""
    return " *or* ".join(dict.fromkeys(seen))


def qualify(name, ways):
    """Return in which of a point's ways something is so; "" for all."""
    ways, every = set(ways), set(WAYS[name])
    if ways == every:
        return ""
    for part in (0, 1):
        for value in ("passive", "active", "download", "upload"):
            if ways == {way for way in every if way[part] == value}:
                return value
    return " and ".join(" ".join(way) for way in sorted(ways, reverse=True))


def places(points):
    """Return points as text: "first, middle; download: last"."""
    ways = collections.defaultdict(list)
    for point in points:
        ways[point.name].append((point.mode, point.direction))
    groups = collections.defaultdict(list)
    for name in PLACES:
        if name in ways:
            groups[qualify(name, ways[name])].append(name)
    return "; ".join(
        (f"{how}: " if how else "") + ", ".join(names)
        for how, names in sorted(groups.items()))


def table(*rows):
    """Return a table, whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in rows[0]) + " |")
    return lines + [""]


def overview(found):
    """Return the table of what clients see, by stage."""
    rows = [["", *STAGES]]
    for fault in FAULTS.values():
        row = [fault.what]
        for names in STAGES.values():
            seen = dict.fromkeys(
                one for point in POINTS if point.name in names
                for one in cell(found, fault.name, point, "client"))
            row.append(short(seen))
        rows.append(row)
    return table(*rows)


def short(seen):
    """Return the replies in what a client sees, which is the gist."""
    words = []
    for one in seen:
        codes = [word for word in one.split(", ") if word.isdigit()]
        if "226" in codes:
            codes.remove("226")
            codes.insert(0, "226 (whole)")
        if one in (UNKNOWN, "as ever"):
            words.append(one)
        elif one == "-":
            words.append("(it is dead)")
        else:
            words.append(", ".join(codes) or "end of control")
    return " *or* ".join(dict.fromkeys(words))


def time_out(fault, found):
    """Return what is said of the time a fault takes, and took."""
    if fault.kind == "waits":
        return f"For {fault.hold:g} s." if fault.hold else "For good."
    took = max((one["seconds"] for (name, *_), seen in found.items()
                if name == fault.name for one in seen), default=None)
    said = f"within {fault.bound:g} s" if fault.bound else "at once"
    return f"Known {said}; in the tests, within {took} s." \
        if took is not None else UNKNOWN


def details(fault, found):
    """Return the table of a fault: points with the same outcome in a row."""
    groups = collections.defaultdict(list)
    for point in POINTS:
        groups[tuple(cell(found, fault.name, point, party)
                     for party in PARTIES)].append(point)
    who = {"server_gone": ("client", "log"), "client_gone": ("server", "log"),
           "culvert_gone": ("client", "server")}.get(fault.kind, PARTIES)
    head = {"client": "the client sees", "server": "the server sees",
            "log": "culvert's log"}
    rows = [["at", *(head[party] for party in who)]]
    for seen, points in groups.items():
        rows.append([places(points), *(
            in_words(dict(zip(PARTIES, seen))[party]) for party in who)])
    return [f"### {fault.what[0].upper()}{fault.what[1:]}",
            time_out(fault, found), "", *table(*rows)]


def patience(found):
    """Return the table of the faults that nobody is told of."""
    rows = [["fault", "for how long", "what client and server see"]]
    for fault in FAULTS.values():
        if fault.kind == "waits":
            seen = dict.fromkeys(
                one for point in POINTS for party in ("client", "server")
                for one in cell(found, fault.name, point, party))
            rows.append([fault.what, f"{fault.hold:g} s" if fault.hold
                         else "for good", in_words(seen)])
    return table(*rows)


def document(found):
    """Return all that is generated, as lines."""
    lines = ["## The points", "", *table(
        ["point", "where the session stands", "played"],
        *([name, place.what, {1: "once", len(WAYS["middle"]): "in all four "
           "ways"}.get(len(WAYS[name]),
                       ", ".join(" ".join(way) for way in WAYS[name]))]
          for name, place in PLACES.items()))]
    lines += ["## What the client is told", "", *overview(found)]
    lines += ["## What passes", "", *patience(found)]
    lines += ["## What does not, point by point", ""]
    for fault in FAULTS.values():
        if fault.kind != "waits":
            lines += details(fault, found)
    return lines


def main(arguments):
    """Print or write it; returns the exit status."""
    write = arguments[:1] == ["--write"]
    found = read(arguments[1:] if write else arguments)
    lines = document(found)
    text = "\n".join(lines)
    if write:
        before, rest = DOCUMENT.read_text().split(BEGIN)
        DOCUMENT.write_text(before + BEGIN + "\n" + text + "\n" + END
                            + rest.split(END)[1])
    else:
        print(text)
    missing = [(fault, str(point)) for fault in FAULTS for point in POINTS
               if (fault, point.name, point.mode, point.direction)
               not in found]
    for fault, point in missing:
        print(f"{UNKNOWN}: {fault} at {point}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
