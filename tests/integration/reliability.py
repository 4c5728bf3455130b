#!/usr/bin/python3
"""Makes the tables of doc/reliability.md from what the tests have seen.

    reliability.py FILE...           print them
    reliability.py --write FILE...   put them into the document

FILE is what test_faults.py writes with RELIABILITY=FILE: lines, each a JSON
object.  A cell (a fault at a point) that is in none of the files is "unknown";
if there is one, the exit status is 1.
"""

import collections
import json
import pathlib
import sys

from culvert import REPO
from faults import FAULTS, PLACES, TUNNELS, all_points

DOCUMENT = REPO / "doc/reliability.md"
BEGIN, END = "<!-- of scripts/soak, from here -->\n", "<!-- to here -->\n"

UNKNOWN = "unknown"
PARTIES = "client", "server", "log"

# Points by the stage of the session, for the overview.
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
WAYS = {name: [(point.mode, point.direction) for point in POINTS
               if (point.name, point.tunnel) == (name, TUNNELS[0])]
        for name in PLACES}


def read(paths):
    """Return {(fault, point, mode, direction, tunnel): [what was seen]}."""
    found = collections.defaultdict(list)
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines():
            seen = json.loads(line)
            found[seen["fault"], seen["point"], seen["mode"],
                  seen["direction"], seen["tunnel"]].append(seen)
    return found


def key(fault, point):
    """Return the key of a cell in what read() returns."""
    return fault, point.name, point.mode, point.direction, point.tunnel


def cell(found, fault, point, party):
    """Return everything that a party has seen in the runs of a cell."""
    seen = found.get(key(fault, point))
    if not seen:
        return (UNKNOWN,)
    return tuple(sorted({one[party] or "nothing" for one in seen}))


def in_words(seen):
    """Return different outcomes as text."""
    return " *or* ".join(dict.fromkeys(seen))


def qualify(name, ways):
    """Return some ways of a point as text; "" for all of them.

    A way is (mode, direction).
    """
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
    """Return a table in Markdown, as lines; the first row is the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in rows[0]) + " |")
    return lines + [""]


def overview(found, tunnel):
    """Return the table of the replies that clients get, by stage."""
    rows = [["", *STAGES]]
    for fault in FAULTS.values():
        if fault.kind in ("waits", "client_gone"):
            continue
        row = [fault.what]
        for names in STAGES.values():
            seen = dict.fromkeys(
                one for point in POINTS
                if point.name in names and point.tunnel == tunnel
                for one in cell(found, fault.name, point, "client"))
            row.append(short(seen))
        rows.append(row)
    return table(*rows)


def short(seen):
    """Return only the reply codes from what a client sees."""
    words = []
    for one in seen:
        codes = [word for word in one.split(", ") if word.isdigit()]
        # With 426 before it, 226 is the reply to ABOR.
        if "226" in codes and "426" not in codes:
            codes.remove("226")
            codes.insert(0, "226 (whole)")
        words.append(UNKNOWN if one == UNKNOWN else
                     ", ".join(codes) or "end of control")
    return " *or* ".join(dict.fromkeys(words))


def time_out(fault, found, tunnel):
    """Return how soon a fault is noticed: as documented, and in the tests."""
    took = max((one["seconds"] for (name, *_, way), seen in found.items()
                if (name, way) == (fault.name, tunnel) for one in seen),
               default=None)
    said = f"within {fault.bound:g} s" if fault.bound else "at once"
    return f"Noticed {said}; in the tests, within {took} s." \
        if took is not None else UNKNOWN


def details(fault, found, tunnel):
    """Return the table of a fault, with a row for each different outcome."""
    groups = collections.defaultdict(list)
    for point in POINTS:
        if point.tunnel != tunnel:
            continue
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
    return [f"### {fault.what}",
            "", time_out(fault, found, tunnel), "", *table(*rows)]


def patience(found):
    """Return the table of the faults that client and server do not notice."""
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
    """Return everything that is generated, as lines."""
    lines = ["## The points", "", *table(
        ["point", "state of the session", "played"],
        *([name, place.what, {1: "once", 4: "in all four ways"}.get(
            len(WAYS[name]), " and ".join(map(" ".join, WAYS[name])))]
          for name, place in PLACES.items()))]
    lines += ["## Faults without consequences", "", *patience(found)]
    for tunnel, what in ("L", "Local tunnels"), ("R", "Remote tunnels"):
        lines += [f"## {what} (-{tunnel}): what the client gets", "",
                  *overview(found, tunnel),
                  f"## {what} (-{tunnel}): point by point", ""]
        for fault in FAULTS.values():
            if fault.kind != "waits":
                lines += details(fault, found, tunnel)
    return lines


def main(arguments):
    """Print or write the tables; returns the exit status."""
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
               if key(fault, point) not in found]
    for fault, point in missing:
        print(f"{UNKNOWN}: {fault} at {point}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
