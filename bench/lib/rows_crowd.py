"""Many at once: recorded clients, real clients, idle ones, and one that must not notice any of them."""
import shutil
from concurrent.futures import ThreadPoolExecutor

from . import clients, servers
from .results import at_most, cost
from .rows import row


def recorded(bench, upstream):
    """Files with what the go command asks for in each graph, in its order; recorded once a run."""
    world, graphs = bench.world, bench.graphs
    folder = world.work / "recorded"
    if not folder.exists():
        folder.mkdir()
        for graph in graphs:
            # Far enough away that the order is that of a slow link.
            upstream.reset(5)
            clients.download(world, graph, upstream.url)
            (folder / graph.name).write_text("".join(f"{path}\n" for path in upstream.paths()))
    return sorted(folder.iterdir())


def through_new(bench, upstream, use, **settings):
    """Something with a Larder that has nothing yet."""
    data = bench.world.folder("data")
    server = servers.larder(bench.world, data, upstream.url, **settings)
    found = use(server)
    spent = {"cpu": server.process.cpu(), "peak": server.process.memory()}
    server.stop()
    shutil.rmtree(data, ignore_errors=True)
    return found, spent


def lines(files):
    """How many requests were recorded."""
    return sum(file.read_text().count("\n") for file in files)


def a_request(spent, requests):
    return cost([1e6 * one["cpu"] / requests for one in spent], [one["peak"] for one in spent])


@row("replay-50")
def replay_50(bench, table):
    world = bench.world
    upstream = servers.upstream(world, bench.tree)
    files = recorded(bench, upstream)
    ratios, repeated, spent, seconds = [], [], [], []
    for _ in range(world.rounds(3)):
        upstream.reset(50)
        all_of_them, cost_of_all = through_new(bench, upstream, lambda server: clients.replay(world, server, files))
        repeated.append(upstream.settled()["repeated"])
        slowest = max(all_of_them, key=all_of_them.get)
        alone, _ = through_new(bench, upstream, lambda server: clients.replay(world, server, [file for file in files if file.stem == slowest]))
        ratios.append(all_of_them[slowest] / alone[slowest])
        spent.append(cost_of_all)
        seconds.append({"slowest": all_of_them[slowest], "alone": alone[slowest]})
    upstream.stop()
    table.note("replay-50", f"{len(files)} recorded clients at once, 50 ms: the slowest to itself alone", ratios, "x", at_most(1.5),
               a_request(spent, lines(files)), seconds=seconds)
    table.note("replay-50-twice", "objects that the upstream was asked for twice", repeated, "", at_most(0))


@row("clients-50")
def clients_50(bench, table):
    world = bench.world
    graphs = bench.graphs
    upstream = servers.upstream(world, bench.tree)
    requests = lines(recorded(bench, upstream))
    upstream.reset(50)
    ratios, spent, seconds = [], [], []

    def both(server):
        cold = clients.many_downloads(world, graphs, server.url)
        return cold, clients.many_downloads(world, graphs, server.url)

    clients.many_downloads(world, graphs[:1], upstream.url)
    for _ in range(world.rounds(3)):
        (cold, warm), one = through_new(bench, upstream, both)
        spent.append(one)
        ratios.append(cold / warm)
        seconds.append({"cold": cold, "warm": warm})
    upstream.stop()
    table.note("clients-50", f"{len(graphs)} real clients at once, 50 ms: cold Larder to a warm one", ratios, "x", at_most(1.2),
               a_request(spent, 2 * requests), seconds=seconds)


def p99(world, server, paths, rate, seconds, connections):
    listed = world.work / f"paths-{world.count()}"
    listed.write_text("".join(f"{path}\n" for path in paths))
    before = server.process.ran()
    found = clients.load(world, "open", server.url, f"@{listed}", rate=rate, seconds=seconds, connections=connections)
    if found["failed"]:
        raise RuntimeError(f"open loop: {found}")
    return found | {"cpu": server.process.ran() - before, "peak": server.process.memory(), "requests": rate * seconds}


def note_latency(table, name, what, quiet, disturbed, alone=False, bar=at_most(1)):
    """The bar: half as much again, or two milliseconds more, whichever is the larger.

    `alone`: a request's processor time is that of the quiet time, since what disturbs asks for something too.
    """
    beyond = [loud["p99_ms"] / max(1.5 * calm["p99_ms"], calm["p99_ms"] + 2) for calm, loud in zip(quiet, disturbed)]
    middle = lambda found: sorted(one["p99_ms"] for one in found)[len(found) // 2]
    table.note(name, f"{what}: p99 to what it may be ({middle(quiet):.2f} ms quiet, {middle(disturbed):.2f} ms)", beyond, "x", bar,
               cost([1e6 * one["cpu"] / one["requests"] for one in (quiet if alone else disturbed)], [one["peak"] for one in disturbed]), quiet=quiet, disturbed=disturbed)


@row("storm")
def storm(bench, table):
    """A client with everything cached, while recorded clients make Larder look ahead; and one of nginx, beside the same.

    The second tells what of it is the machine's: its server has no part in the storm, and its client waits for a core as the first does.
    """
    world = bench.world
    upstream = servers.upstream(world, bench.tree)
    files = recorded(bench, upstream)
    quick = world.options.quick
    rate, seconds = (200, 0.5) if quick else (500, 4)
    own = [path for path in files[0].read_text().split() if path.endswith((".mod", ".info"))][:40]
    beside_it = servers.nginx(world, bench.tree)

    def latencies(asked, stormed):
        for path in own:
            asked.get(path)
        calm = p99(world, asked, own, rate, seconds, 16)
        with ThreadPoolExecutor(1) as beside:
            played = beside.submit(clients.replay, world, stormed, files)
            loud = p99(world, asked, own, rate, seconds, 16)
            played.result()
        return calm, loud

    found, floor = [], []
    for _ in range(world.rounds(7)):
        for of_whom, into in ((lambda server: server, found), (lambda _server: beside_it, floor)):
            upstream.reset(50)
            into.append(through_new(bench, upstream, lambda server: latencies(of_whom(server), server))[0])
    upstream.stop()
    beside_it.stop()
    during = f"while {len(files)} cold ones are served"
    note_latency(table, "storm", f"a warm client at {rate}/s {during}", *zip(*found), alone=True)
    note_latency(table, "storm-nginx", f"a warm client of nginx at {rate}/s {during} by Larder", *zip(*floor), alone=True, bar=None)


@row("idle")
def idle(bench, table):
    """Two hundred active clients without and with a crowd of idle ones."""
    world = bench.world
    upstream = servers.upstream(world, bench.tree)
    zipped = bench.near(1_000_000)
    paths = [zipped.replace(".zip", ".info"), zipped.replace(".zip", ".mod")]
    quick = world.options.quick
    size, active, rate, seconds = (300, 50, 300, 0.5) if quick else (10_000, 200, 2000, 4)
    quiet, disturbed = [], []

    def one(server):
        for path in paths:
            server.get(path)
        for _ in range(world.rounds(7)):
            quiet.append(p99(world, server, paths, rate, seconds, active))
            with clients.Crowd(world, server, paths[0], size):
                disturbed.append(p99(world, server, paths, rate, seconds, active))

    _, spent = through_new(bench, upstream, one)
    upstream.stop()
    note_latency(table, "idle", f"{active} active clients beside {size} idle ones", quiet, disturbed)
    table.note("idle-memory", f"peak memory with {size} idle connections", [spent["peak"]], "MiB", at_most(256))
