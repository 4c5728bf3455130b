"""Plots as SVG: lines over a logarithmic load, and bars.

They have no background, and only colours that are legible on white and on
black.
"""

import html
import math

TEXT, GRID = "#808080", "#80808040"
FONT = "font-family='sans-serif'"
# The colour of each contender, by how its name begins.
COLOURS = {
    "culvert": "#3b82f6", "direct": "#16a34a", "ssh -L": "#d97706",
    "sftp": "#a855f7", "culvert --links 4": "#06a5b8",
}
MARKS = ("M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-4,-4h8v8h-8z",
         "M0,-5l5,9h-10z", "M0,-5l5,5l-5,5l-5,-5z", "M-4,-4l8,8m-8,0l8,-8",
         "M0,-5v10m-5,-5h10")
WIDTH, LEFT, TOP = 760, 70, 80


def colour(label):
    """Return a contender's colour: that of the longest name in COLOURS."""
    found = [name for name in COLOURS if label.startswith(name)]
    return COLOURS[max(found, key=len)] if found else TEXT


def text(x, y, words, anchor="start", size=12, fill=TEXT, more=""):
    """Return a text as SVG."""
    return (f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
            f" font-size='{size}' fill='{fill}' {FONT} {more}>"
            f"{html.escape(words)}</text>")


def write(file, height, title, subtitle, parts):
    """Write an SVG file."""
    file.write_text("\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}'"
        f" height='{height}' viewBox='0 0 {WIDTH} {height}' role='img'>",
        f"<title>{html.escape(title)}</title>",
        text(20, 22, title, size=16, more="font-weight='bold'"),
        text(20, 42, subtitle), *parts, "</svg>"]) + "\n")


def short(value):
    """Return a number as a label: 20, 0.5, 10k."""
    for factor, letter in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if value >= 10 * factor or value >= factor and not value % factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def size(value):
    """Return a number of bytes as a label."""
    for power, unit in (30, "GiB"), (20, "MiB"), (10, "KiB"):
        if value >= 1 << power:
            return f"{value / (1 << power):g} {unit}"
    return f"{value:g} B"


class Log:
    """A logarithmic axis; called with a value, returns its coordinate."""

    def __init__(self, values, begin, end):
        self.low, self.high = math.log10(min(values)), math.log10(max(values))
        if self.high - self.low < 0.3:
            self.low, self.high = self.low - 0.15, self.high + 0.15
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        """Return round values on the axis for its labels."""
        steps = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        return [step * 10 ** power
                for power in range(math.floor(self.low),
                                   math.ceil(self.high) + 1)
                for step in steps if self.low - 1e-9 <= math.log10(
                    step * 10 ** power) <= self.high + 1e-9]


def lines(file, title, subtitle, labels, series, x_text=short):
    """Draw lines, both axes logarithmic.

    labels: of x and y; series: {contender: [(x, median, least, most)]}.
    """
    height, right, bottom = 460, WIDTH - 150, 460 - 56
    points = [point for line in series.values() for point in line]
    xs = sorted({point[0] for point in points})
    x_axis = Log(xs, LEFT, right)
    y_axis = Log([y for point in points for y in point[1:]], bottom, TOP)
    parts = []
    for y in y_axis.ticks():
        parts += [f"<path d='M{LEFT},{y_axis(y):.1f}H{right}'"
                  f" stroke='{GRID}'/>",
                  text(LEFT - 8, y_axis(y) + 4, short(y), "end")]
    for x in xs:
        parts += [f"<path d='M{x_axis(x):.1f},{TOP}V{bottom}'"
                  f" stroke='{GRID}'/>",
                  text(x_axis(x), bottom + 18, x_text(x), "middle", 11)]
    parts += [text((LEFT + right) / 2, bottom + 42, labels[0], "middle"),
              text(LEFT - 8, TOP - 12, labels[1], "end")]
    ends = _spread([(y_axis(line[-1][1]), name)
                    for name, line in series.items() if line])
    for number, (name, line) in enumerate(series.items()):
        if line:
            parts += _line(name, line, x_axis, y_axis,
                           MARKS[number % len(MARKS)])
            parts.append(text(right + 12, ends[name] + 4, name,
                              fill=colour(name)))
    write(file, height, title, subtitle, parts)


def _line(name, line, x_axis, y_axis, mark):
    shade = colour(name)
    path = "L".join(f"{x_axis(x):.1f},{y_axis(y):.1f}" for x, y, *_ in line)
    yield f"<path d='M{path}' fill='none' stroke='{shade}' stroke-width='2'/>"
    for x, y, low, high in line:
        yield (f"<path d='M{x_axis(x):.1f},{y_axis(low):.1f}"
               f"V{y_axis(high):.1f}' stroke='{shade}'/>")
        yield (f"<path transform='translate({x_axis(x):.1f},"
               f"{y_axis(y):.1f})' d='{mark}' fill='{shade}'"
               f" stroke='{shade}' stroke-width='2'/>")


def _spread(ends, room=15):
    """Move labels apart; returns the coordinate of each."""
    places, last = {}, -room
    for place, name in sorted(ends):
        last = max(place, last + room)
        places[name] = last
    return places


def bars(file, title, subtitle, groups, unit):
    """Draw horizontal bars.

    groups: [(name, [(contender, median, least, most)])]; unit: a function
    that turns a value into words.
    """
    row, gap = 18, 30
    # Room for the longest label; a letter is about 6.5 wide.
    left = max(210, 24 + 6.5 * max(len(bar[0]) for _, group in groups
                                   for bar in group))
    longest = max(bar[3] for _, group in groups for bar in group)
    scale = (WIDTH - left - 110) / longest
    y, parts = TOP - 12, []
    for name, group in groups:
        parts.append(text(20, y + 6, name, more="font-weight='bold'"))
        y += 14
        for label, middle, low, high in group:
            shade = colour(label)
            parts += [
                text(left - 8, y + 12, label, "end"),
                f"<rect x='{left:.1f}' y='{y + 2}' width='{middle * scale:.1f}'"
                f" height='{row - 5}' fill='{shade}'/>",
                f"<path d='M{left + low * scale:.1f},{y + row / 2 - 0.5}"
                f"H{left + high * scale:.1f}' stroke='{TEXT}'"
                f" stroke-width='2'/>",
                text(left + max(middle, high) * scale + 6, y + 12,
                     unit(middle))]
            y += row
        y += gap - 8
    write(file, y, title, subtitle, parts)
