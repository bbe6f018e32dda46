"""Downloads with nothing cached, through an upstream that is far away."""
import os
import subprocess
import time

from . import clients, servers
from .results import at_most, cost, in_a_line
from .rows import row
from .world import Skipped


def distance(bench, delay):
    """A tenth of it when only the machinery is to be shown."""
    return delay // 10 if bench.world.options.quick else delay


def through(bench, upstream, ask, start):
    """A client through an empty proxy, then the same client again; what it cost, and what the upstream was asked."""
    world = bench.world
    data = world.folder("data")
    server = None
    try:
        server = start(world, data, upstream.url)
        upstream.reset()
        found = {"cold": ask(server.url)}
        found["asked"] = upstream.settled()
        found["cpu"] = server.process.cpu()
        found["warm"] = ask(server.url)
        found["asked_warm"] = upstream.settled()["requests"] - found["asked"]["requests"]
        found["peak"] = server.process.memory()
        return found
    finally:
        if server:
            server.stop()
        world.remove(data)


def cold_larder(bench, upstream, ask, settings=None):
    return through(bench, upstream, ask, lambda *where: servers.larder(*where, **(settings or {})))


def directly(upstream, ask):
    upstream.reset()
    taken = ask(upstream.url)
    return {"cold": taken, "asked": upstream.counts()}


def needed(upstream, ask):
    """Lets a client ask the upstream without delay, so that nobody pays for a cold page cache; how many requests it made."""
    upstream.reset(0)
    ask(upstream.url)
    return upstream.counts()["requests"]


class Peer:
    """Another proxy in a row: when it can't do what is asked, it isn't asked again."""

    def __init__(self, bench, upstream, ask, start):
        self.measure = lambda: through(bench, upstream, ask, start)
        self.rounds, self.left_out = [], None

    def __call__(self):
        if self.left_out:
            return
        try:
            self.rounds.append(self.measure())
        except (RuntimeError, OSError) as why:
            self.left_out = in_a_line(why)


def in_turns(rounds, *contenders):
    """Runs all of them in each round, and returns what they found; who begins changes."""
    for number in range(rounds):
        found = {}
        for place in range(len(contenders)):
            turn = (place + number) % len(contenders)
            found[turn] = contenders[turn]()
        yield [found[turn] for turn in range(len(contenders))]


def download(bench, delay):
    """Direct, Larder and the others with one delay; returns the direct and the Larder figures of each round."""
    world, delay = bench.world, distance(bench, delay)
    upstream = servers.upstream(world, bench.tree, 0, bench.fill)
    ask = lambda url: clients.download(world, bench.project, url)
    requests = needed(upstream, ask)
    upstream.reset(delay)
    others = {name: Peer(bench, upstream, ask, start) for name, start in servers.peers(world.options).items()}
    rounds = in_turns(world.rounds(3), lambda: directly(upstream, ask), lambda: cold_larder(bench, upstream, ask), *others.values())
    pairs = [found[:2] for found in rounds]
    upstream.stop()
    return pairs, others, requests


def times(pairs):
    return {"direct_s": [round(direct["cold"], 3) for direct, _ in pairs], "cold_s": [round(own["cold"], 3) for _, own in pairs],
            "warm_s": [round(own["warm"], 3) for _, own in pairs], "cpu_s": [own["cpu"] for _, own in pairs],
            "asked_warm": [own["asked_warm"] for _, own in pairs]}


def spent(found, requests):
    """Processor time by what the client asked for, and memory, of every round."""
    return cost([1e6 * one["cpu"] / requests for one in found], [one["peak"] for one in found])


def of_other(peer, pairs):
    """What is kept of another proxy."""
    if peer.left_out:
        return {"left_out": peer.left_out}
    pairs = [(direct, found) for (direct, _), found in zip(pairs, peer.rounds)]
    return times(pairs) | {"asked": peer.rounds[0]["asked"]}


def note_download(table, name, delay, pairs, others, requests, bar):
    details = {"delay_ms": delay, **times(pairs), "asked": pairs[0][1]["asked"], "asked_directly": pairs[0][0]["asked"],
               "others": {other: of_other(peer, pairs) for other, peer in others.items()}}
    spending = spent([own for _, own in pairs], requests)
    table.note(name, f"cold go mod download, {delay} ms, to asking the upstream itself", [own["cold"] / direct["cold"] for direct, own in pairs], "x", bar,
               spending, **details)
    table.note(f"{name}-warm", "the same again, to asking the upstream itself", [own["warm"] / direct["cold"] for direct, own in pairs])
    for other, peer in others.items():
        what = f"{other}: cold go mod download, {delay} ms, to asking the upstream itself"
        if peer.left_out:
            table.leave_out(f"{name}-{other}", what, peer.left_out)
            continue
        ratio = lambda key: [found[key] / direct["cold"] for (direct, _), found in zip(pairs, peer.rounds)]
        table.note(f"{name}-{other}", what, ratio("cold"), "x", None, spent(peer.rounds, requests))
        table.note(f"{name}-{other}-warm", f"{other}: the same again", ratio("warm"))


def note_waste(table, name, pairs, requests, size):
    """What was asked beyond what the client needed."""
    more = lambda key: [own["asked"][key] / direct["asked"][key] - 1 for direct, own in pairs]
    table.note(f"{name}-requests", "requests upstream beyond those of direct", [100 * value for value in more("requests")], "%", requests)
    table.note(f"{name}-bytes", "bytes upstream beyond those of direct", [100 * value for value in more("bytes")], "%", size)
    table.note(f"{name}-twice", "objects that the upstream was asked for twice", [own["asked"]["repeated"] for _, own in pairs], "", at_most(0))
    table.note(f"{name}-at-once", "requests in flight upstream at most", [own["asked"]["most_in_flight"] for _, own in pairs], "")


@row("cold-100")
def cold_100(bench, table):
    pairs, others, requests = download(bench, 100)
    note_download(table, "cold-100", 100, pairs, others, requests, at_most(1 / 4.2, "1/4.2"))
    note_waste(table, "waste", pairs, at_most(70), at_most(3))


@row("cold-20")
def cold_20(bench, table):
    pairs, others, requests = download(bench, 20)
    note_download(table, "cold-20", 20, pairs, others, requests, at_most(1 / 2.5, "1/2.5"))


@row("cold-0")
def cold_0(bench, table):
    pairs, others, requests = download(bench, 0)
    note_download(table, "cold-0", 0, pairs, others, requests, at_most(1.15))


@row("build-100")
def build_100(bench, table):
    world, delay = bench.world, distance(bench, 100)
    small = bench.small
    upstream = servers.upstream(world, bench.tree, 0, bench.fill)
    ask = lambda url: clients.build(world, small, url)
    requests = needed(upstream, ask)  # compiles what is compiled once, too
    upstream.reset(delay)
    pairs = list(in_turns(world.rounds(3), lambda: directly(upstream, ask), lambda: cold_larder(bench, upstream, ask)))
    upstream.stop()
    asked = {"asked": pairs[0][1]["asked"], "asked_directly": pairs[0][0]["asked"]}
    table.note("build-100", "cold go build of a small command of it, 100 ms, to direct", [own["cold"] / direct["cold"] for direct, own in pairs], "x",
               at_most(1 / 4, "1/4"), spent([own for _, own in pairs], requests), **times(pairs), **asked)
    table.note("build-100-warm", "the same again", [own["warm"] / direct["cold"] for direct, own in pairs])
    table.note("build-100-bytes", "bytes upstream to those of direct", [own["asked"]["bytes"] / direct["asked"]["bytes"] for direct, own in pairs], "x", at_most(1.3))
    table.note("build-100-requests", "requests upstream to those of direct", [own["asked"]["requests"] / direct["asked"]["requests"] for direct, own in pairs])


@row("sumdb-100")
def sumdb_100(bench, table):
    world, delay = bench.world, distance(bench, 100)
    upstream = servers.upstream(world, bench.tree, 0, bench.fill, sumdb="sum.example.com")
    ask = lambda url: clients.download(world, bench.project, url)
    requests = needed(upstream, ask)
    versions = upstream.counts()["kinds"]["mod"]["requests"]
    upstream.reset(delay)
    key = upstream.control("sumdb").strip()
    on = {"GOSUMDB": f"{key} {upstream.url}/-/sumdb"}
    pairs = list(in_turns(world.rounds(3), lambda: cold_larder(bench, upstream, ask), lambda: cold_larder(bench, upstream, ask, on)))
    upstream.stop()
    if any(own["asked"]["kinds"].get("sumdb", {"requests": 0})["requests"] < versions for _, own in pairs):
        raise RuntimeError(f"the checksum database was not asked for each of {versions} versions")
    if any("sumdb" in off["asked"]["kinds"] for off, _ in pairs):
        raise RuntimeError("the checksum database was asked where it is off")
    table.note("sumdb-100", "cold, 100 ms, checksum database on in Larder, to the same off", [own["cold"] / off["cold"] for off, own in pairs], "x", at_most(1.25),
               spent([own for _, own in pairs], requests), off_s=[off["cold"] for off, _ in pairs], on_s=[own["cold"] for _, own in pairs], asked=pairs[0][1]["asked"])


def has_command(world, name):
    shown = subprocess.run([world.program("larder"), "--help"], capture_output=True, text=True).stdout
    if f"\n  {name} " not in shown:
        raise Skipped(f"this larder has no `{name}`")


@row("run-100")
def run_100(bench, table):
    """`larder run -- go mod download` and a download after `larder warm`, to direct and to a warm Larder."""
    world, delay = bench.world, distance(bench, 100)
    has_command(world, "run")
    upstream = servers.upstream(world, bench.tree, delay, bench.fill)
    direct_times, run_times, warm_times = [], [], []
    for _ in range(world.rounds(3)):
        direct_times.append(directly(upstream, lambda url: clients.download(world, bench.project, url))["cold"])
        cache = world.folder("xdg")
        upstream.reset()
        before = [world.program("larder"), "run", "--"]
        run_times.append(clients.go(world, bench.project, upstream.url, ["mod", "download"], before=before, XDG_CACHE_HOME=str(cache)))
        asked = upstream.settled()
        world.remove(cache)
        warm_times.append(cold_larder(bench, upstream, lambda url: clients.download(world, bench.project, url))["warm"])
    upstream.stop()
    seconds = {"direct_s": direct_times, "run_s": run_times, "warm_s": warm_times, "asked": asked}
    table.note("run-100", "cold larder run -- go mod download, 100 ms, to direct", [own / direct for own, direct in zip(run_times, direct_times)], "x", at_most(1 / 9, "1/9"), **seconds)
    table.note("run-100-to-warm", "the same, to a download through a warm Larder", [own / warm for own, warm in zip(run_times, warm_times)], "x", at_most(1.4))


@row("warm-100")
def warm_100(bench, table):
    """A download from what `larder warm` stored, to one from what a client made Larder store."""
    world, delay = bench.world, distance(bench, 100)
    has_command(world, "warm")
    upstream = servers.upstream(world, bench.tree, 0, bench.fill)
    ask = lambda url: clients.download(world, bench.project, url)
    requests = needed(upstream, ask)
    upstream.reset(delay)
    rounds = []
    for _ in range(world.rounds(3)):
        one = {"direct": directly(upstream, ask)["cold"]}
        data = world.folder("data")
        upstream.reset()
        one |= warmed(world, data, bench.project, upstream)
        one["asked"] = upstream.settled()
        server = servers.larder(world, data, upstream.url)
        one["after"] = ask(server.url)
        one["left"] = upstream.settled()["requests"] - one["asked"]["requests"]
        one["again"] = ask(server.url)
        one["served"] = {"cpu": server.process.cpu() / 2, "peak": server.process.memory()}
        server.stop()
        world.remove(data)
        rounds.append(one)
    upstream.stop()
    table.note("warm-100", "go mod download after larder warm, to a warm Larder", [one["after"] / one["again"] for one in rounds], "x", at_most(1.05),
               spent([one["served"] for one in rounds], requests), asked=rounds[-1]["asked"])
    table.note("warm-100-to-direct", "the same, to direct", [one["after"] / one["direct"] for one in rounds], "x", at_most(1 / 9, "1/9"))
    table.note("warm-100-left", "requests upstream afterwards, all of them looking ahead", [one["left"] for one in rounds], "")
    table.note("warm-100-itself", "larder warm itself", [one["took"] for one in rounds], "s", None, spent(rounds, requests))


def warmed(world, data, project, upstream):
    """Runs `larder warm` into a data folder; how long it took and what it cost."""
    command = [str(word) for word in (world.program("larder"), "warm", "--data", data, project)]
    log = data.with_name(f"{data.name}.log")
    started = time.monotonic()
    with log.open("w") as out:
        running = subprocess.Popen(command, env=servers.environment(world, upstream.url), stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(running.pid, 0)
    taken = time.monotonic() - started
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode != 0:
        raise RuntimeError(f"larder warm: {running.returncode}\n{log.read_text()[-2000:]}")
    return {"took": taken, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}
