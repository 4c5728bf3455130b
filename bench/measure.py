"""Measures a scenario on a path, in rounds; in each, contenders take turns."""

import contextlib
import dataclasses
import datetime
import statistics
import sys

import path
import rigs
from scenarios import CONTENDERS, GIB


@dataclasses.dataclass
class Options:
    """The options of the command line; None: as in the scenario."""

    runs: int = 5
    quick: bool = False
    size: int = None
    files: int = None
    sessions: int = None
    rtt: float = None
    rate: float = path.RATE

    def changed(self):
        """Return the options that were given: {name: value}."""
        return {field.name: getattr(self, field.name)
                for field in dataclasses.fields(self)
                if getattr(self, field.name) != field.default}

    @property
    def as_said(self):
        """Whether the load is that of the table, so that results count."""
        return not self.changed().keys() - {"runs"}

    def amount(self, scenario):
        """Return the amount of a scenario."""
        base = scenario.quick if self.quick else scenario.amount
        given = {"files": self.files, "sessions": self.sessions}
        changes = {name: value for name, value in given.items()
                   if value and getattr(base, name)}
        if self.size and not base.files and not base.sessions:
            changes["size"] = self.size
        return dataclasses.replace(base, **changes)


def say(text):
    """Print a message about the progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def make_path(rtt, mtu, rate=path.RATE):
    """Return the path; if rtt is None, the loopback."""
    return path.Loopback() if rtt is None else path.Wan(rtt, mtu, rate)


def start_rigs(stack, site, names):
    """Start contenders; returns them by name, None if unavailable."""
    found = {}
    for name in dict.fromkeys(names):
        try:
            rig = CONTENDERS[name](site, name)
        except rigs.Unavailable as error:
            say(f"  {name}: not available: {error}")
            found[name] = None
            continue
        stack.callback(rig.close)
        rig.start()
        rig.check()
        found[name] = rig
    return found


def _rounds(scenario, site, running, amount, runs):
    """Return the results of each turn: {label: [one for each run]}."""
    results = {turn.label: [] for turn in scenario.turns
               if running[turn.rig]}
    for turn in scenario.turns:
        if turn.parallel > 1 and turn.label in results:
            running[turn.rig].check(turn.parallel)
    for number in range(1, runs + 1):
        words = []
        for turn in scenario.turns:
            if turn.label not in results:
                continue
            rig = running[turn.rig]
            got = scenario.load(site, rig, turn, amount)
            results[turn.label].append(got)
            words.append(f"{turn.label} {got[scenario.shown]:.4g}"
                         if scenario.shown != "rate" else
                         f"{turn.label} {got['rate'] / 1e6:.0f} MB/s")
        say(f"  {number}/{runs}: {'; '.join(words)}")
    return results


def _values(figure, results):
    """Return a figure's value in each round, or None if not available."""
    if figure.of not in results or \
            figure.over and figure.over not in results:
        return None
    ones = results[figure.of]
    others = results[figure.over] if figure.over else ones
    quantity = figure.over_quantity or figure.over and figure.quantity
    return [one[figure.quantity] / (other[quantity] if quantity else 1)
            for one, other in zip(ones, others)]


def _holds(must, value):
    how, bound = must
    return {"<=": value <= bound, ">=": value >= bound, ">": value > bound,
            "=": value == bound}[how]


def _figure(figure, results, judge):
    values = _values(figure, results)
    row = {"what": figure.what, "must": figure.must and list(figure.must)}
    if values is None:
        return {**row, "verdict": "not available"}
    # One failure in one run is a failure.
    middle = max(values) if figure.quantity == "failures" else \
        statistics.median(values)
    verdict = "" if not figure.must or not judge else \
        "holds" if _holds(figure.must, middle) else "NOT REACHED"
    return {**row, "values": values, "median": middle, "min": min(values),
            "max": max(values), "verdict": verdict}


def measure(scenario, mtu, options):
    """Measure a scenario; returns its entry for the results.

    Raises rigs.Failed, or what the servers and culvert raise, if something
    fails.
    """
    amount = options.amount(scenario)
    rtt = options.rtt if options.rtt and scenario.rtt else scenario.rtt
    entry = {"name": scenario.name, "rtt": rtt, "mtu": rtt and mtu,
             "rate": rtt and options.rate,
             "amount": dataclasses.asdict(amount), "shown": scenario.shown,
             "date": datetime.datetime.now().isoformat(timespec="seconds")}
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(contextlib.closing(rigs.Work()))
        work.warm(min(2 * amount.size + GIB // 4, 3 * GIB))
        way = stack.enter_context(contextlib.closing(
            make_path(rtt, mtu, options.rate)))
        say(f"{scenario.name}, {way}")
        if rtt:
            entry["measured rtt"] = way.measured_rtt()
        site = stack.enter_context(contextlib.closing(
            rigs.Site(work, way, scenario.ports, **(
                {"check_size": 65537} if options.quick else {}))))
        running = start_rigs(stack, site, (turn.rig for turn
                                           in scenario.turns))
        results = _rounds(scenario, site, running, amount, options.runs)
    if rtt:
        entry["lost packets"] = way.lost()
    entry["figures"] = [_figure(figure, results, options.as_said)
                        for figure in scenario.figures]
    entry["turns"] = results
    return entry
