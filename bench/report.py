"""Prints the table, writes the results as JSON, and draws bars."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

import culvert
import path
import plot

UNITS = {
    "rate": (1e-6, "MB/s"), "seconds": (1, "s"), "transfers": (1, "/s"),
    "files": (1, "/s"), "cpu ssh": (1, "s/GiB of its ssh"),
    "rss per session": (1, "KiB"),
}


def machine():
    """Return what results depend on, without naming the machine."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    memory = pathlib.Path("/proc/meminfo").read_text()

    def first(pattern, text):
        match = re.search(pattern, text, re.M)
        return match[1].strip() if match else "unknown"

    def said(*argv, stream="stdout"):
        return getattr(subprocess.run(argv, capture_output=True, text=True,
                                      check=False), stream).split("\n")[0]

    return {
        "cpu": first(r"^(?:model name|Model)\s*:(.*)", cpuinfo),
        "cores": os.cpu_count(),
        "aes": bool(re.search(r"^(?:flags|Features)\s*:.*\baes\b", cpuinfo,
                              re.M)),
        "memory GiB": round(int(first(r"^MemTotal:\s*(\d+)", memory))
                            / 1048576, 1),
        "kernel": platform.release(),
        "tcp": path.CONGESTION,
        "ssh": said("ssh", "-V", stream="stderr"),
        "culvert": said(culvert.PROGRAM, "--version"),
        "curl": said("curl", "--version").split(" (")[0],
        "lftp": re.search(r"Version (\S+)|$", said("lftp", "--version"))[1],
    }


def subtitle(facts, more):
    """Return the line below a plot's title."""
    return f"{facts['cpu']}, {facts['cores']} cores;" \
           f" {facts['ssh'].split(' ')[0].rstrip(',')}; {more}"


def number(value):
    """Return a number as text, with three digits or more."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _place(entry):
    return "loopback" if not entry["rtt"] else \
        f"{entry['rtt']:g} ms, MTU {entry['mtu']}"


def rows(entry):
    """Return the table's rows of a scenario."""
    for figure in entry["figures"]:
        must = figure["must"]
        measured = "-"
        if "median" in figure:
            measured = number(figure["median"])
            if len(figure["values"]) > 1:
                measured += f" ({number(figure['min'])}.." \
                            f"{number(figure['max'])})"
        yield (entry["name"], _place(entry), figure["what"],
               f"{must[0]} {must[1]:g}" if must else "",
               measured, figure["verdict"])


def table(entries):
    """Return the table as text, and then the medians of each contender."""
    head = ("scenario", "path", "figure", "must be", "measured", "verdict")
    lines = [head, *(row for entry in entries for row in rows(entry))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width
                      in zip(line, widths)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += ["", "Medians of each:"]
    for entry in entries:
        factor, unit = UNITS[entry["shown"]]
        text.append(f"  {entry['name']}, {_place(entry)}: " + "; ".join(
            f"{label} {number(median(runs, entry['shown']) * factor)} {unit}"
            for label, runs in entry["turns"].items()
            if entry["shown"] in runs[0]))
        lost = entry.get("lost packets")
        if lost:
            text.append(f"    the path has lost {lost} packets")
    return "\n".join(text)


def median(runs, quantity):
    """Return the median of a quantity over runs."""
    return statistics.median(run[quantity] for run in runs)


def write(file, entries, key):
    """Write the entries to a JSON file; returns all entries in it.

    They replace entries with the same key(entry).  Other entries are kept if
    machine() was the same for them, including all versions.
    """
    facts = machine()
    kept = []
    try:
        old = json.loads(file.read_text())
        if old["machine"] == facts:
            new = {key(entry) for entry in entries}
            kept = [entry for entry in old["results"]
                    if key(entry) not in new]
    except (FileNotFoundError, ValueError, KeyError):
        pass
    file.parent.mkdir(parents=True, exist_ok=True)
    results = [*kept, *entries]
    file.write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "machine": facts,
        "results": results}, indent=1) + "\n")
    return results


# Bar charts: the name of the file, the title, and which entries are in it.
CHARTS = (
    ("bulk-loopback", "Throughput on one host",
     lambda entry: entry["name"].startswith(("bulk", "parallel"))
     and not entry["rtt"]),
    ("bulk-path", "Throughput on long paths of 1 GB/s",
     lambda entry: entry["name"].startswith("bulk") and entry["rtt"]),
    ("files", "Time for 200 files of 4 KiB in one session",
     lambda entry: entry["name"].startswith("files")),
    ("sessions", "Transfers of 64 KiB, 1,000 sessions, 200 at a time",
     lambda entry: entry["name"].startswith("sessions")),
)


def draw(out, results):
    """Draw the results of the contenders as bars."""
    facts = machine()
    for name, title, belongs in CHARTS:
        entries = [entry for entry in results if belongs(entry)]
        if not entries:
            continue
        factor, unit = UNITS[entries[0]["shown"]]
        groups = []
        for entry in entries:
            group = []
            for label, runs in entry["turns"].items():
                values = [run[entry["shown"]] * factor for run in runs]
                group.append((label, statistics.median(values),
                              min(values), max(values)))
            groups.append((f"{entry['name']}, {_place(entry)}", group))
        plot.bars(out / f"{name}.svg", title,
                  subtitle(facts, "median and range"), groups,
                  lambda value, unit=unit: f"{number(value)} {unit}")
