"""Plots of how results change with the load: a line for each contender."""

import contextlib
import dataclasses
import json
import statistics
from typing import Callable

import plot
import report
import rigs
from measure import make_path, say, start_rigs
from scenarios import (Amount, KIB, MIB, GIB, Turn, curl_files, down, held,
                       rss_kib, sessions)

MTU = 1500
# A contender that would take more seconds for a point is not measured there.
LIMIT = 150


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot.

    labels: of both axes; xs: the loads, quick: those for --quick; contenders:
    their names; load: a function (site, rig, turn, x) that returns a number;
    rtt: a function of x that returns the path's round-trip time in ms, or None
    for one host; ports: see rigs.Site; x_text: how to print a load.
    """

    name: str
    title: str
    labels: tuple
    xs: tuple
    quick: tuple
    contenders: tuple
    load: Callable
    rtt: Callable = lambda x: 20
    ports: int = 10
    x_text: Callable = plot.short


def _quantity(load, amount, quantity, factor=1):
    def measured(site, rig, turn, x):
        return load(site, rig, turn, amount(x))[quantity] * factor
    return measured


def _memory(site, rig, turn, x):
    with held(site, rig, x):
        return sum(map(rss_kib, rig.pids())) / 1024


ALL = ("culvert", "direct", "ssh -L", "sftp")
DECADES = (10, 20, 50, 100, 200, 500, 1000)
RTTS = (1, 2, 5, 10, 20, 50, 100, 200)

PLOTS = (
    Plot("rtt", "Throughput of one download, by round-trip time",
         ("round-trip time, ms", "MB/s"), RTTS, (1, 20),
         ALL, _quantity(down, lambda x: Amount(size=256 * MIB), "rate",
                            1e-6), rtt=float),
    Plot("rtt-files", "Time for 20 files of 4 KiB, by round-trip time",
         ("round-trip time, ms", "seconds"), RTTS, (1, 20),
         ALL,
         _quantity(curl_files, lambda x: Amount(size=4 * KIB, files=20),
                   "seconds"), rtt=float),
    Plot("size", "Time to fetch a file, by its size, 20 ms",
         ("size", "seconds"),
         tuple(KIB << 2 * i for i in range(12)), (KIB, 256 * KIB), ALL,
         _quantity(down, lambda x: Amount(size=x), "seconds"),
         x_text=plot.size),
    Plot("files", "Time to fetch files of 4 KiB in one session, 1 ms",
         ("files", "seconds"), (10, 30, 100, 300, 1000, 3000, 10000),
         (10, 30), ALL,
         _quantity(curl_files, lambda x: Amount(size=4 * KIB, files=x),
                   "seconds"), rtt=lambda x: 1),
    Plot("sessions", "Transfers of 64 KiB, each in a session of its own,"
         " up to 200 at a time", ("sessions", "transfers/s"), DECADES,
         (10, 20), ("culvert", "direct", "ssh -L"),
         _quantity(sessions, lambda x: Amount(size=64 * KIB, sessions=x),
                   "transfers"), rtt=lambda x: None, ports=500),
    Plot("memory", "Memory of the tunnel's near end, by idle sessions"
         " (culvert: with its ssh)", ("sessions", "RSS, MiB"), DECADES,
         (10, 20), ("culvert", "ssh -L"), _memory, rtt=lambda x: None,
         ports=500),
)


def _point(plan, site, running, x, runs, late):
    """Return the values of each contender at x; contenders take turns."""
    values = {name: [] for name, rig in running.items()
              if rig and name not in late}
    for _ in range(runs):
        for name, got in values.items():
            got.append(plan.load(site, running[name], Turn(name, name), x))
    return values


def _leave(plan, values, xs, x):
    """Return the contenders that would take too long for the x after this."""
    left = [other for other in xs if other > x]
    if not left or plan.labels[1] != "seconds":
        return set()
    return {name for name, got in values.items()
            if max(got) * (left[0] / x) > LIMIT}


def _draw(plan, out, facts, points, runs):
    series = {name: [(x, statistics.median(values[name]), min(values[name]),
                      max(values[name]))
                     for x, values in points if any(values.get(name, ()))]
              for name in plan.contenders}
    file = out / f"growth-{plan.name}"
    file.with_suffix(".json").write_text(json.dumps({
        "machine": facts, "title": plan.title, "labels": plan.labels,
        "runs": runs, "points": points}, indent=1) + "\n")
    plot.lines(file.with_suffix(".svg"), plan.title,
               report.subtitle(facts, f"median and range of {runs} runs"),
               plan.labels, {name: line for name, line in series.items()
                             if line}, plan.x_text)


def measure(plan, out, runs, quick):
    """Measure a plot, and draw it again after each point."""
    out.mkdir(parents=True, exist_ok=True)
    facts, points, late = report.machine(), [], set()
    xs = plan.quick if quick else plan.xs
    for rtt in dict.fromkeys(plan.rtt(x) for x in xs):
        with contextlib.ExitStack() as stack:
            work = stack.enter_context(contextlib.closing(rigs.Work()))
            work.warm(GIB)
            way = stack.enter_context(contextlib.closing(
                make_path(rtt, MTU)))
            say(f"{plan.name}, {way}")
            site = stack.enter_context(contextlib.closing(
                rigs.Site(work, way, plan.ports)))
            running = start_rigs(stack, site, plan.contenders)
            for x in (x for x in xs if plan.rtt(x) == rtt):
                values = _point(plan, site, running, x, runs, late)
                say(f"  {plan.x_text(x)}: " + "; ".join(
                    f"{name} {report.number(statistics.median(got))}"
                    for name, got in values.items()))
                points.append((x, values))
                late |= _leave(plan, values, xs, x)
                _draw(plan, out, facts, points, runs)
