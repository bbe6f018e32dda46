"""What is stored, on its way to clients: requests a second and processor time, beside nginx with the same files."""
from . import clients, servers
from .results import at_least, at_most
from .rows import row


def warm(server, paths):
    for path in paths:
        server.get(path)


def race(bench, first, second, path, rounds, seconds, connections=64):
    """Requests a second and processor time a request of both, in rounds that take turns."""
    world, found = bench.world, []
    connections = 8 if world.options.quick else connections
    for number in range(rounds):
        pair = [("nginx", first), ("larder", second)]
        one = {}
        for name, server in pair if number % 2 else pair[::-1]:
            before = server.process.ran()
            rate, count = clients.throughput(world, server, path, connections, seconds)
            one[name] = {"rate": rate, "cpu_us": (server.process.ran() - before) / max(count, 1) * 1e6}
        found.append(one)
    return found


def note_race(table, name, what, found, bar, cpu_bar=None):
    ratio = lambda key: [one["larder"][key] / one["nginx"][key] if one["nginx"][key] else 0 for one in found]
    middle = sorted(found, key=lambda one: one["larder"]["rate"])[len(found) // 2]
    table.note(name, f"{what}, requests/s to nginx", ratio("rate"), "x", bar, rates=found)
    table.note(f"{name}-cpu", f"{what}, processor time to nginx ({middle['larder']['cpu_us']:.1f} us a request)", ratio("cpu_us"), "x", cpu_bar)


def pair(bench, paths, tls=False):
    """nginx, and a Larder that has the paths."""
    world = bench.world
    plain = servers.nginx(world, bench.tree)
    certificate = clients.certificate(world) if tls else None
    files = servers.nginx(world, bench.tree, certificate) if tls else plain
    filling = servers.larder(world, world.work / "warm", plain.url)
    warm(filling, paths)
    filling.stop()
    own = servers.larder(world, world.work / "warm", plain.url, certificate)
    return plain, files, own


def timing(bench):
    return (1, 0.2) if bench.world.options.quick else (bench.world.rounds(7), 2)


@row("small")
def small(bench, table):
    zipped = bench.near(1_000_000)
    module = zipped.split("/@v/")[0]
    paths = {".info": zipped.replace(".zip", ".info"), ".mod": zipped.replace(".zip", ".mod"), "list": f"{module}/@v/list"}
    if not (bench.tree / paths["list"][1:]).exists():
        del paths["list"]
    plain, files, own = pair(bench, paths.values())
    rounds, seconds = timing(bench)
    for kind, path in paths.items():
        own.get(path)
        note_race(table, f"small-{kind.strip('.')}", f"warm {kind}", race(bench, files, own, path, rounds, seconds), at_least(1.3))
    table.note("small-peak", "peak memory of Larder", [own.process.memory()], "MiB")
    for server in (own, plain):
        server.stop()


@row("zips")
def zips(bench, table):
    sizes = {"1mb": (1_000_000, at_least(1.05)), "6mb": (6_000_000, at_least(0.95))}
    paths = {name: bench.near(size) for name, (size, _) in sizes.items()}
    plain, files, own = pair(bench, paths.values())
    rounds, seconds = timing(bench)
    for name, path in paths.items():
        size = (bench.tree / path[1:]).stat().st_size
        found = race(bench, files, own, path, rounds, seconds)
        note_race(table, f"zip-{name}", f"warm zip of {size / 1e6:.2f} MB", found, sizes[name][1], at_most(0.95))
    table.note("zips-peak", "peak memory of Larder", [own.process.memory()], "MiB")
    for server in (own, plain):
        server.stop()


@row("tls")
def tls(bench, table):
    zipped = bench.near(1_000_000)
    paths = {"info": zipped.replace(".zip", ".info"), "1mb": zipped}
    plain, files, own = pair(bench, paths.values(), True)
    rounds, seconds = timing(bench)
    for name, path in paths.items():
        found = race(bench, files, own, path, rounds, seconds)
        note_race(table, f"tls-{name}", f"over TLS 1.3, warm {name}", found, at_least(1.0))
    for server in (own, files, plain):
        server.stop()
