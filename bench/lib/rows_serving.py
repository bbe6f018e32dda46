"""What is stored, on its way to clients: requests a second and processor time, beside nginx with the same files."""
import json
from contextlib import suppress

from . import clients, servers
from .results import at_least, at_most, cost, in_a_line
from .rows import row
from .world import Skipped


def warm(server, paths):
    for path in paths:
        server.get(path)


class Field:
    """Who races: nginx, Larder and the others, which leave when they can't serve what is asked."""

    def __init__(self, bench, paths, tls=False):
        world = bench.world
        self.world = world
        self.plain = servers.nginx(world, bench.tree)
        certificate = clients.certificate(world) if tls else None
        files = servers.nginx(world, bench.tree, certificate) if tls else self.plain
        # What it serves comes from its store, and not from the memory of having fetched it.
        filling = servers.larder(world, world.work / "warm", self.plain.url)
        warm(filling, paths)
        filling.stop()
        self.running = {"nginx": files, "larder": servers.larder(world, world.work / "warm", self.plain.url, certificate)}
        self.left_out = {}
        self.folders = []
        for name, start in ({} if tls else servers.peers(world.options)).items():
            self.folders.append(world.folder("data"))
            try:
                self.running[name] = start(world, self.folders[-1], self.plain.url)
            except (RuntimeError, OSError) as why:
                self.left_out[name] = in_a_line(why)

    def stop(self):
        for server in [*self.running.values(), self.plain]:
            server.stop()
        for folder in self.folders:
            self.world.remove(folder)

    def race(self, path):
        """Requests a second and processor time a request of each, in rounds that take turns, who begins changes; and who is left out."""
        quick = self.world.options.quick
        rounds, seconds, connections = self.world.rounds(7), *((0.2, 8) if quick else (2, 64))
        left_out = dict(self.left_out)
        for name in self.others():
            try:
                check(path, self.running[name].get(path), self.plain.get(path))
            except (RuntimeError, OSError) as why:
                left_out[name] = in_a_line(why)
        found = []
        for number in range(rounds):
            names = [name for name in self.running if name not in left_out]
            first = number % len(names)
            one = {}
            for name in names[first:] + names[:first]:
                try:
                    one[name] = self.one(self.running[name], path, connections, seconds)
                except (RuntimeError, OSError) as why:
                    if name not in self.others():
                        raise
                    left_out[name] = in_a_line(why)
            found.append(one)
        return found, left_out

    def others(self):
        return [name for name in self.running if name not in ("nginx", "larder")]

    def one(self, server, path, connections, seconds):
        before = server.process.ran()
        rate, count = clients.throughput(self.world, server, path, connections, seconds)
        return {"rate": rate, "cpu_us": (server.process.ran() - before) / max(count, 1) * 1e6}

    def note(self, table, name, what, path, bar, cpu_bar=None):
        """Of Larder and of each other, its ratios to nginx in the same rounds."""
        found, left_out = self.race(path)
        ratio = lambda who, key: [one[who][key] / one["nginx"][key] if one["nginx"][key] else 0 for one in found]
        spent = {who: cost([one[who]["cpu_us"] for one in found], [server.process.memory()]) for who, server in self.running.items() if who not in left_out}
        nginx = f"{spent['nginx']['cpu_us']:.1f} us a request, {spent['nginx']['peak_mib']:.0f} MiB"
        table.note(name, f"{what}, requests/s to nginx", ratio("larder", "rate"), "x", bar, spent["larder"], rates=found, spent=spent)
        table.note(f"{name}-cpu", f"{what}, processor time to nginx ({nginx})", ratio("larder", "cpu_us"), "x", cpu_bar)
        for other in (*self.others(), *self.left_out):
            words = f"{other}: {what}, requests/s to nginx"
            if other in left_out:
                table.leave_out(f"{name}-{other}", words, left_out[other])
            else:
                table.note(f"{name}-{other}", words, ratio(other, "rate"), "x", None, spent[other])


def check(path, found, wanted):
    """Another proxy has to serve what nginx does, or its speed says nothing; it may write JSON and lists its own way."""
    if path.endswith(".info"):
        found, wanted = json.loads(found)["Version"], json.loads(wanted)["Version"]
    elif path.endswith("/list"):
        found, wanted = sorted(found.split()), sorted(wanted.split())
    if found != wanted:
        raise RuntimeError(f"{path} is another than the upstream's")


@row("small")
def small(bench, table):
    zipped = bench.near(1_000_000)
    paths = {".info": zipped.replace(".zip", ".info"), ".mod": zipped.replace(".zip", ".mod")}
    # Of a module that has only pseudo-versions the list is empty, and for an empty file nginx does half as much.
    names_some = lambda path: (path.parent / "list").exists() and (path.parent / "list").stat().st_size > 0
    with suppress(Skipped):
        paths["list"] = bench.near(1_000_000, names_some).split("/@v/")[0] + "/@v/list"
    field = Field(bench, paths.values())
    for kind, path in paths.items():
        warm(field.running["larder"], [path])
        field.note(table, f"small-{kind.strip('.')}", f"warm {kind}", path, at_least(1.3))
    field.stop()


@row("zips")
def zips(bench, table):
    sizes = {"1mb": (1_000_000, at_least(1.05)), "6mb": (6_000_000, at_least(0.95))}
    paths = {name: bench.near(size) for name, (size, _) in sizes.items()}
    field = Field(bench, paths.values())
    for name, path in paths.items():
        size = (bench.tree / path[1:]).stat().st_size
        field.note(table, f"zip-{name}", f"warm zip of {size / 1e6:.2f} MB", path, sizes[name][1], at_most(0.95))
    field.stop()


@row("tls")
def tls(bench, table):
    zipped = bench.near(1_000_000)
    paths = {"info": zipped.replace(".zip", ".info"), "1mb": zipped}
    field = Field(bench, paths.values(), True)
    for name, path in paths.items():
        field.note(table, f"tls-{name}", f"over TLS 1.3, warm {name}", path, at_least(1.0))
    field.stop()
