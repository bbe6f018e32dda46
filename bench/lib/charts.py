"""Draws the charts of docs/benchmarks.md, readable on light and dark pages, from the figures alone."""
import statistics
from html import escape

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .faint { fill: #59636e; }
  .line { stroke: #818b98; stroke-width: 1; stroke-dasharray: 3 3; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  .own { fill: #0b7a75; } .other { fill: #9aa4b0; } .warm { fill: #6fbf9b; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .faint { fill: #9198a1; } .spread { stroke: #e6edf3; } .other { fill: #59636e; }
  }
"""
WIDTH, LEFT, BAR, GAP = 760, 250, 20, 6


def svg(height, parts, title):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
                      f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def bars(title, subtitle, rows, mark=None, unit=""):
    """Horizontal bars: rows of (label, value or None, class, (low, high) or None), or None for a space between groups.

    Nothing where there is no value at all.
    """
    values = [row[1] for row in rows if row and row[1] is not None] + [row[3][1] for row in rows if row and row[3]]
    if not values:
        return None
    scale = (WIDTH - LEFT - 90) / (max(values + [mark[0]] if mark else values) or 1)
    parts = [f'<text class="title" x="12" y="24">{escape(title)}</text>', f'<text class="faint" x="12" y="44">{escape(subtitle)}</text>']
    y = 60
    for row in rows:
        if not row:
            y += GAP * 2
            continue
        label, value, kind, spread = row
        middle = y + BAR / 2
        parts.append(f'<text x="{LEFT - 10}" y="{middle + 4.5}" text-anchor="end">{escape(label)}</text>')
        if value is None:
            parts.append(f'<text class="faint" x="{LEFT + 6}" y="{middle + 4.5}">left out</text>')
            y += BAR + GAP
            continue
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(value * scale, 1):.1f}" height="{BAR}" rx="2"/>')
        end = value
        if spread and spread[0] != spread[1]:
            parts.append(f'<line class="spread" x1="{LEFT + spread[0] * scale:.1f}" x2="{LEFT + spread[1] * scale:.1f}" y1="{middle}" y2="{middle}"/>')
            end = max(value, spread[1])
        parts.append(f'<text x="{LEFT + end * scale + 6:.1f}" y="{middle + 4.5}">{value:.3g}{unit}</text>')
        y += BAR + GAP
    if mark:
        x = LEFT + mark[0] * scale
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="54" y2="{y}"/><text class="faint" x="{x:.1f}" y="{y + 14}" text-anchor="middle">{escape(mark[1])}</text>')
        y += 18
    return svg(y + 10, parts, title)


def spread(values):
    return statistics.median(values), (min(values), max(values))


def cold(rows):
    """Seconds of a cold download by distance."""
    drawn = []
    for name, delay in (("cold-0", 0), ("cold-20", 20), ("cold-100", 100)):
        details = details_of(rows, name)
        if not details:
            continue
        if drawn:
            drawn.append(None)

        def bar(label, values, kind):
            if values:
                drawn.append((f"{delay} ms: {label}", *insert(spread(values), kind)))

        bar("the upstream itself", details.get("direct_s"), "other")
        for other, found in details.get("others", {}).items():
            if "left_out" in found:
                drawn.append((f"{delay} ms: {other}", None, "other", None))
            bar(f"{other}, cold", found.get("cold_s"), "other")
        bar("Larder, cold", details.get("cold_s"), "own")
        if delay == 100:
            bar("larder run, cold", details_of(rows, "run-100").get("run_s"), "own")
        bar("Larder, warm", details.get("warm_s"), "warm")
    return bars("go mod download of a large project", "seconds, by what each upstream request takes; less is better", drawn, unit=" s")


def details_of(rows, name):
    """What was kept beside a row's figure; a row that broke off, or an older one, may have nothing."""
    return rows.get(name, {}).get("details", {})


def insert(pair, kind):
    return pair[0], kind, pair[1]


def serving(rows):
    """Requests a second to nginx."""
    names = {"small-info": "warm .info", "small-mod": "warm .mod", "small-list": "warm list", "zip-1mb": "warm zip, 1 MB", "zip-6mb": "warm zip, 6 MB",
             "tls-info": "TLS 1.3, .info", "tls-1mb": "TLS 1.3, zip, 1 MB"}
    drawn = []
    for name, label in names.items():
        if "median" not in rows.get(name, {}):
            continue
        drawn.append((label, rows[name]["median"], "own", (rows[name]["low"], rows[name]["high"])))
        for other in (key for key in rows if key.startswith(f"{name}-") and key != f"{name}-cpu"):
            found = rows[other]
            between = (found["low"], found["high"]) if "median" in found else None
            drawn.append((f"{label}: {other.removeprefix(f'{name}-')}", found.get("median"), "other", between))
    subtitle = "64 connections, two cores; the line is the spread of all rounds; more is better"
    return bars("Requests a second, nginx = 1", subtitle, drawn, mark=(1, "nginx"))


def asked(rows):
    """What the upstream was asked for a cold download."""
    details = details_of(rows, "cold-100")
    contenders = [("the go command itself", details.get("asked_directly"), "other")]
    contenders += [(other, found.get("asked"), "other") for other, found in details.get("others", {}).items()]
    contenders.append(("Larder", details.get("asked"), "own"))
    contenders = [one for one in contenders if one[1]]
    drawn = [(f"{name}: requests", float(found["requests"]), kind, None) for name, found, kind in contenders]
    drawn.append(None)
    drawn += [(f"{name}: MB", found["bytes"] / 1e6, kind, None) for name, found, kind in contenders]
    return bars("What the upstream was asked", "for a cold go mod download; less is better", drawn)


def draw(rows, folder):
    for name, make in {"cold": cold, "serving": serving, "asked": asked}.items():
        drawn = make(rows)
        if drawn:
            (folder / f"benchmarks-{name}.svg").write_text(drawn)
