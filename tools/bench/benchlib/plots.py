# SPDX-License-Identifier: GPL-2.0
"""Plots as SVG, written here: the tools ask for nothing that a host may not have."""

import math
from html import escape

from .kinds import CALLERS

COLOURS = {"C": "#777777", "ours": "#1f6fb4", "provided": "#7fb2dd", "ranges": "#d1662b"}
WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 30, 34


def _log(value):
    return math.log10(max(value, 1e-4))


class Panel:
    """Lines of one kind of memory: instructions of a page by pages of a call, both logarithmic."""

    def __init__(self, title, names, series):
        self.title, self.names, self.series = title, names, series
        values = [value for points in series.values() for value in points if value is not None]
        self.low, self.high = math.floor(_log(min(values))), math.ceil(_log(max(values)))
        self.high = max(self.high, self.low + 1)

    def x(self, at):
        return LEFT + (WIDTH - LEFT - RIGHT) * at / max(1, len(self.names) - 1)

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (_log(value) - self.low) / (self.high - self.low)

    def draw(self):
        """Elements, without a place of their own."""
        out = [f'<text x="{WIDTH / 2}" y="18" class="title">{escape(self.title)}</text>']
        for power in range(self.low, self.high + 1):
            y = self.y(10 ** power)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end">{10 ** power:g}</text>')
        for at, name in enumerate(self.names):
            out.append(f'<text x="{self.x(at):.1f}" y="{HEIGHT - BOTTOM + 16}" class="middle">{escape(str(name))}</text>')
        for caller, points in self.series.items():
            places = [(self.x(at), self.y(value)) for at, value in enumerate(points) if value is not None]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[caller]}" stroke-width="2"/>')
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[caller]}"/>' for x, y in places]
        return out


def _panels(made, op):
    rows = {(row["memory"], row["n"], row["impl"]): row["instructions_per_page"] for row in made["rows"] if row["op"] == op}
    memories = dict.fromkeys(memory for memory, _, _ in rows)
    numbers = list(dict.fromkeys(n for _, n, _ in rows))
    for memory in memories:
        series = {}
        for caller in CALLERS:
            points = [rows.get((memory, n, caller)) for n in numbers]
            if any(value is not None for value in points):
                series[caller] = points
        yield Panel(memory, numbers, series)


def draw(made, op):
    """The picture of one call: a panel for each kind of memory."""
    panels = list(_panels(made, op))
    across = 3
    down = -(-len(panels) // across)
    width, height = across * WIDTH, down * HEIGHT + 56
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
           "<style>text{font:12px sans-serif}.title{font-weight:bold;text-anchor:middle}.middle{text-anchor:middle}"
           ".end{text-anchor:end}.grid{stroke:#ddd}</style>",
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{LEFT}" y="24">{op}: instructions per page of {made["page"]}, by pages of a call; '
           f'Linux {escape(made["release"])}, {escape(made["guest"])}</text>']
    for at, caller in enumerate(caller for caller in CALLERS if any(caller in panel.series for panel in panels)):
        x = LEFT + at * 110
        out.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{COLOURS[caller]}"/><text x="{x + 18}" y="46">{caller}</text>')
    for at, panel in enumerate(panels):
        out.append(f'<g transform="translate({at % across * WIDTH},{at // across * HEIGHT + 52})">')
        out += panel.draw()
        out.append("</g>")
    return "\n".join([*out, "</svg>"]) + "\n"
