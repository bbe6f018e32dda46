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

    def __init__(self):
        self.rows = {}
        self.skipped = {}
        self.failed = {}
        self.measuring = None
        self.measured = []

    def begin(self, name):
        """The figures that follow belong to this row of the suite."""
        self.measuring = name
        self.measured.append(name)

    def note(self, name, what, values, unit="x", bar=None, cost=None, **details):
        """Keeps and prints the median of one value a round, what it cost, and details that are only kept."""
        values = [float(value) for value in values]
        middle, low, high = statistics.median(values), min(values), max(values)
        met = bar.met(middle) if bar else None
        row = {"of": self.measuring, "what": what, "median": round(middle, 4), "low": round(low, 4), "high": round(high, 4), "rounds": len(values), "unit": unit}
        if bar:
            row |= {"bar": bar.text, "met": met}
        row |= cost or {}
        if details:
            row["details"] = details
        self.rows[name] = row
        mark = {True: "ok  ", False: "MISS", None: "    "}[met]
        spread = f"({figure(low)} .. {figure(high)}, {len(values)} round{'s' if len(values) > 1 else ''})"
        print(f"{mark} {name:24} {what:66} {figure(middle):>8} {unit:6} {spread:28} {costs(row):32} {bar.text if bar else ''}".rstrip(), flush=True)

    def skip(self, name, why):
        self.skipped[name] = why
        print(f"skip {name:24} {why}", flush=True)

    def fail(self, name, why):
        """A row broke off; the others are measured all the same."""
        self.failed[name] = why
        print(f"FAIL {name:24} {why}", flush=True)

    def leave_out(self, name, what, why):
        """Another proxy can't do what a row asks: that stands where its figure would be."""
        self.rows[name] = {"of": self.measuring, "what": what, "left_out": why}
        print(f"out  {name:24} {what:66} left out: {why}", flush=True)

    def finish(self):
        missed = [name for name, row in self.rows.items() if row.get("met") is False]
        left_out = [name for name, row in self.rows.items() if "left_out" in row]
        print(f"{len(self.rows) - len(left_out)} figures, {len(missed)} bars missed{': ' if missed else ''}{', '.join(missed)}", flush=True)
        if left_out:
            print(f"{len(left_out)} left out: {', '.join(left_out)}", flush=True)
        if self.failed:
            print(f"{len(self.failed)} rows broke off: {', '.join(self.failed)}", flush=True)

    def write(self, path, kept, order, peers):
        """Writes the figures; those of other rows stay as an earlier run found them, and those of a row that broke off."""
        done = [name for name in self.measured if name not in self.failed]
        rows = {name: row for name, row in kept.get("rows", {}).items() if row.get("of") not in done} | self.rows
        place = {name: number for number, name in enumerate(order)}
        rows = dict(sorted(rows.items(), key=lambda item: place.get(item[1].get("of"), len(place))))
        others = lambda key: {name: why for name, why in kept.get(key, {}).items() if name in place and name not in self.measured}
        found = {"machine": machine(peers), "rows": rows, "skipped": others("skipped") | self.skipped, "failed": others("failed") | self.failed}
        path.write_text(json.dumps(found, indent=1) + "\n")


def cost(cpu_us, peak_mib):
    """Microseconds of processor time a request and the most memory, a value a round each."""
    return {"cpu_us": round(statistics.median(cpu_us), 2), "peak_mib": round(max(peak_mib), 1)}


def costs(row):
    """Both in words, as far as they are known."""
    return ", ".join(filter(None, (cpu_text(row), peak_text(row))))


def cpu_text(row):
    us = row.get("cpu_us")
    if us is None:
        return ""
    return f"{figure(us)} us a request" if us < 1000 else f"{figure(us / 1000)} ms a request"


def peak_text(row):
    return f"{figure(row['peak_mib'])} MiB" if "peak_mib" in row else ""


def machine(peers):
    found = {"cores": os.cpu_count(), "system": platform.release(), "machine": platform.machine()}
    commands = {"go": ["go", "version"], "nginx": ["nginx", "-v"]} | {name: [name, "--version"] for name in peers}
    for name, command in commands.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
            found[name] = " ".join((done.stdout or done.stderr).split())[:120]
        except (OSError, subprocess.TimeoutExpired):
            found[name] = "version unknown"
    return found


def in_a_line(why):
    """The end of an error, where its cause is."""
    return " ".join(str(why).split())[-300:]


def figure(value):
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.5f}"


def read(path):
    """What a run wrote; nothing where there was none."""
    return json.loads(path.read_text()) if path.exists() else {}


def markdown(found):
    """The table of docs/benchmarks.md."""
    lines = ["| row | what | median | rounds | CPU a request | peak memory | bar |", "|---|---|---|---|---|---|---|"]
    for name, row in found["rows"].items():
        if "left_out" in row:
            lines.append(f"| `{name}` | {row['what']} | left out: {row['left_out']} | | | | |")
            continue
        unit = f" {row['unit']}" if row["unit"] not in ("", "x") else ""
        spread = f"{figure(row['low'])} .. {figure(row['high'])}, {row['rounds']} rounds" if row["rounds"] > 1 else "1 round"
        bar = row.get("bar", "") + ("" if row.get("met", True) else " (missed)")
        cpu = cpu_text(row).removesuffix(" a request")
        lines.append(f"| `{name}` | {row['what']} | {figure(row['median'])}{unit} | {spread} | {cpu} | {peak_text(row)} | {bar} |")
    for key, text in {"skipped": "not measured", "failed": "broke off"}.items():
        lines += [f"\n`{name}`: {text}, {why}" for name, why in found.get(key, {}).items()]
    return "\n".join(lines)
