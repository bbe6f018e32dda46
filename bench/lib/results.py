"""Figures of a run: medians with their spread, held against what they must be."""
import json
import os
import platform
import statistics
import subprocess


class Bar:
    """At most, or at least, so much."""

    def __init__(self, sign, value, text=None):
        self.sign, self.value = sign, value
        self.text = f"{'at most' if sign == '<=' else 'at least'} {text or f'{value:g}'}"

    def met(self, value):
        return value <= self.value if self.sign == "<=" else value >= self.value


def at_most(value, text=None):
    return Bar("<=", value, text)


def at_least(value, text=None):
    return Bar(">=", value, text)


class Table:
    """Rows in the order in which they were measured."""

    def __init__(self, options):
        self.options = options
        self.rows = {}
        self.skipped = {}
        self.failed = {}

    def note(self, name, what, values, unit="x", bar=None, **details):
        """Keeps and prints the median of one value a round; details are kept beside it."""
        values = [float(value) for value in values]
        middle, low, high = statistics.median(values), min(values), max(values)
        met = bar.met(middle) if bar else None
        row = {"what": what, "median": round(middle, 4), "low": round(low, 4), "high": round(high, 4), "rounds": len(values), "unit": unit}
        if bar:
            row |= {"bar": bar.text, "met": met}
        if details:
            row["details"] = details
        self.rows[name] = row
        mark = {True: "ok  ", False: "MISS", None: "    "}[met]
        spread = f"({figure(low)} .. {figure(high)}, {len(values)} round{'s' if len(values) > 1 else ''})"
        print(f"{mark} {name:24} {what:66} {figure(middle):>8} {unit:6} {spread:28} {bar.text if bar else ''}", flush=True)

    def skip(self, name, why):
        self.skipped[name] = why
        print(f"skip {name:24} {why}", flush=True)

    def fail(self, name, why):
        """A row broke off; the others are measured all the same."""
        self.failed[name] = why
        print(f"FAIL {name:24} {why}", flush=True)

    def finish(self):
        missed = [name for name, row in self.rows.items() if row.get("met") is False]
        print(f"{len(self.rows)} figures, {len(missed)} bars missed{': ' if missed else ''}{', '.join(missed)}", flush=True)
        if self.failed:
            print(f"{len(self.failed)} rows broke off: {', '.join(self.failed)}", flush=True)

    def write(self, path, kept):
        """Writes the rows, over those that were kept from earlier runs of other rows."""
        machine = {"cores": os.cpu_count(), "system": platform.release(), "machine": platform.machine()}
        for name, command in {"go": ["go", "version"], "nginx": ["nginx", "-v"]}.items():
            try:
                done = subprocess.run(command, capture_output=True, text=True)
                machine[name] = (done.stdout or done.stderr).strip()
            except OSError:
                pass
        path.write_text(json.dumps({"machine": machine, "rows": kept | self.rows, "skipped": self.skipped, "failed": self.failed}, indent=1) + "\n")


def figure(value):
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.5f}"


def read(path):
    return json.loads(path.read_text())["rows"]


def markdown(rows):
    """The table of docs/benchmarks.md."""
    lines = ["| row | what | median | rounds | bar |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        unit = f" {row['unit']}" if row["unit"] not in ("", "x") else ""
        spread = f"{figure(row['low'])} .. {figure(row['high'])}, {row['rounds']} rounds" if row["rounds"] > 1 else "1 round"
        bar = row.get("bar", "") + ("" if row.get("met", True) else " (missed)")
        lines.append(f"| `{name}` | {row['what']} | {figure(row['median'])}{unit} | {spread} | {bar} |")
    return "\n".join(lines)
