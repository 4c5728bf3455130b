#!/usr/bin/python3
"""Draws doc/dashboard.svg: what dist/grafana/culvert.json shows of a real run.

There are two tunnels on the machine of tests/package/test_operations.py, with
Debian's Prometheus.  For SECONDS (100 by default) clients come and go, and one
SSH connection is lost.  Debian has no Grafana, so this program draws each
panel from Prometheus' answers to the queries of the panel.  Run it as root,
after scripts/test deb:

    bench/dashboard.py [SECONDS]
"""

import html
import json
import pathlib
import re
import sys
import tempfile
import time
import urllib.parse

REPO = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests/package"), str(REPO / "tests/integration"),
                str(REPO / "bench")]

# pylint: disable=wrong-import-position
from machine import Machine
from plot import GRID, TEXT, text
import test_operations as operations

PALETTE = ("#3b82f6", "#16a34a", "#d97706", "#a855f7", "#06a5b8", "#dc2626")
WIDTH, UNIT_X, UNIT_Y = 960, 40, 24
STEP = 2

# What happens during the run.
TRAFFIC = """\
cd
head -c 3000000 /dev/urandom >~plc/big; chown plc ~plc/big
get() { curl -sS -n -o /dev/null --limit-rate $2 ftp://localhost:$1/big; }
put() { curl -sS -n -T ~/orders.csv ftp://localhost:$1/in/ >/dev/null; }
end=$(($(date +%s) + SECONDS))
while [ $(date +%s) -lt $end ]; do
    get 2121 1M & one=$!
    put 2122 || true
    get 2122 400k & two=$!
    put 2121
    curl -sS -n -o /dev/null ftp://localhost:2121/none || true
    wait $one || true
    wait $two || true
done
"""
LOSS = """\
(sleep THIRD; pkill -f '[s]sh -N.*gate.example.net'
 sleep THIRD; for i in 1 2 3 4 5 6; do
    curl -sS -n -o /dev/null --limit-rate 300k ftp://localhost:2121/big &
 done; wait) &
"""


def ask(machine, expr, begin, end):
    """Query Prometheus; returns [(labels, [(time, value)])]."""
    query = urllib.parse.urlencode({
        "query": expr.replace("$__rate_interval", "10s").replace(
            "$tunnel", ".*"), "start": begin, "end": end, "step": STEP})
    said = json.loads(machine.run(
        f"curl -s 'http://localhost:9090/api/v1/query_range?{query}'"))
    assert said["status"] == "success", (expr, said)
    return [(one["metric"], [(float(at), float(value))
                             for at, value in one["values"]])
            for one in said["data"]["result"]]


def legend(form, labels):
    """Return the text of a legend, as Grafana makes it from its format."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""),
                  form)


def short(value, unit):
    """Return a number as text, in the panel's unit."""
    if unit == "s":
        return f"{value * 1000:.2g} ms"
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor and unit in ("Bps", "bytes", "short"):
            return f"{value / factor:.3g} {letter}" + {
                "Bps": "B/s", "bytes": "B", "short": ""}[unit]
    return f"{value:.2g}" + {"Bps": " B/s", "bytes": " B", "reqps": "/s"}.get(
        unit, "")


def draw(panel, series, begin, end):
    """Yield the parts of a panel, as SVG."""
    place = panel["gridPos"]
    x, y = place["x"] * UNIT_X, 60 + place["y"] * UNIT_Y
    w, h = place["w"] * UNIT_X - 12, place["h"] * UNIT_Y - 12
    unit = panel["fieldConfig"]["defaults"]["unit"]
    yield (f"<rect x='{x}' y='{y}' width='{w}' height='{h}' rx='3'"
           f" fill='none' stroke='{GRID}'/>")
    yield text(x + 10, y + 18, panel["title"], more="font-weight='bold'")
    if panel["type"] == "stat":
        value = series[0][1][-1][1] if series else 0
        yield text(x + w / 2, y + h - 20, f"{value:g}", "middle", 28,
                   PALETTE[1])
        return
    left, right, top, bottom = x + 64, x + w - 10, y + 32, y + h - 54
    most = max([value for _, line in series for _, value in line] + [1e-9])
    for part in (0, 0.5, 1):
        level = bottom - (bottom - top) * part
        yield f"<path d='M{left},{level}H{right}' stroke='{GRID}'/>"
        yield text(left - 6, level + 4, short(most * part, unit), "end", 10)
    at, row = left, bottom + 18
    for number, (name, line) in enumerate(series):
        if at + 24 + 5.6 * len(name) > right and at > left:
            at, row = left, row + 14
        shade = PALETTE[number % len(PALETTE)]
        path, last = "", None
        for moment, value in line:
            letter = "L" if last and moment - last <= 2 * STEP else "M"
            path += (f"{letter}"
                     f"{left + (right - left) * (moment - begin) / (end - begin):.1f},"
                     f"{bottom - (bottom - top) * value / most:.1f}")
            last = moment
        yield (f"<path d='{path}' fill='none' stroke='{shade}'"
               " stroke-width='1.6'/>")
        yield f"<rect x='{at}' y='{row}' width='9' height='9' fill='{shade}'/>"
        yield text(at + 13, row + 9, name, size=10)
        at += 24 + 5.6 * len(name)


def run(machine, seconds):
    """Do the first part of doc/operations.md, then produce the traffic.

    Returns when the traffic has begun and ended.
    """
    operations.prepare(machine)
    for kind, argument, block in operations.BLOCKS:
        if "status --json" in block:
            break
        operations.do(machine, kind, argument, block)
    machine.run("sed -i s/15s/2s/ /etc/prometheus/prometheus.yml; "
                "sed -i 's/^keepalive.*//; s/^drain/max-per-address = 5\\n"
                "drain/' /etc/culvert/culvert.conf; "
                "systemctl restart prometheus culvert")
    time.sleep(6)
    begin = time.time()
    machine.run(LOSS.replace("THIRD", str(seconds // 3))
                + TRAFFIC.replace("SECONDS", str(seconds)))
    time.sleep(4)
    return begin, time.time()


def main(seconds=100):
    """Produce the traffic, and draw all panels."""
    dashboard = json.loads((REPO / "dist/grafana/culvert.json").read_text())
    with tempfile.TemporaryDirectory() as directory:
        machine = Machine(pathlib.Path(directory), operations.PACKAGES,
                          operations.HOSTS)
        try:
            begin, end = run(machine, seconds)
            parts = []
            for panel in dashboard["panels"]:
                series = [(legend(target["legendFormat"], labels), line)
                          for target in panel["targets"]
                          for labels, line in ask(machine, target["expr"],
                                                  begin, end)]
                parts += draw(panel, series, begin, end)
        finally:
            machine.close()
            (pathlib.Path(directory) / "machine").rmdir()
    height = 60 + UNIT_Y * max(panel["gridPos"]["y"] + panel["gridPos"]["h"]
                               for panel in dashboard["panels"])
    title = "culvert: two tunnels, one of which lost its SSH connection"
    (REPO / "doc/dashboard.svg").write_text("\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}'"
        f" height='{height}' viewBox='0 0 {WIDTH} {height}' role='img'>",
        f"<title>{html.escape(title)}</title>",
        text(20, 24, title, size=16, more="font-weight='bold'"),
        text(20, 44, f"{end - begin:.0f} seconds; the panels and queries of "
             "dist/grafana/culvert.json, answered by Prometheus", fill=TEXT),
        *parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
