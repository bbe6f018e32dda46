"""Downloads with nothing cached, through an upstream that is far away."""
import shutil
import statistics
import subprocess
import time

from . import clients, servers
from .results import at_most
from .rows import row
from .world import Skipped


def distance(bench, delay):
    """A tenth of it when only the machinery is to be shown."""
    return delay // 10 if bench.world.options.quick else delay


def cold_larder(bench, upstream, ask, settings=None):
    """A client through an empty Larder, then the same client again; what it cost, and what the upstream was asked."""
    world = bench.world
    data = world.folder("data")
    server = servers.larder(world, data, upstream.url, **(settings or {}))
    upstream.reset()
    found = {"cold": ask(server.url)}
    found["cpu"] = server.process.cpu()
    found["asked"] = upstream.settled()
    found["warm"] = ask(server.url)
    found["peak"] = server.process.memory()
    server.stop()
    shutil.rmtree(data, ignore_errors=True)
    return found


def directly(upstream, ask):
    upstream.reset()
    taken = ask(upstream.url)
    return {"cold": taken, "asked": upstream.counts()}


def of_peers(bench, upstream, ask):
    """Each other proxy once, cold and warm."""
    world, found = bench.world, {}
    for name, start in servers.peers(world).items():
        data = world.folder("data")
        try:
            server = start(world, data, upstream.url)
            upstream.reset()
            cold = ask(server.url)
            found[name] = {"cold": cold, "cpu": server.process.cpu(), "asked": upstream.counts(), "warm": ask(server.url), "peak": server.process.memory()}
            server.stop()
        except (RuntimeError, OSError) as error:
            print(f"     {name} is left out: {str(error)[:300]}", flush=True)
        subprocess.run(["chmod", "-R", "u+w", data], check=False)
        shutil.rmtree(data, ignore_errors=True)
    return found


def in_turns(rounds, first, second):
    """Runs both in each round; who begins alternates."""
    for number in range(rounds):
        if number % 2:
            two = second()
            yield first(), two
        else:
            yield first(), second()


def download(bench, delay):
    """Direct, Larder and the others with one delay; returns the direct and the Larder figures of each round."""
    world, delay = bench.world, distance(bench, delay)
    upstream = servers.upstream(world, bench.tree, 0, bench.fill)
    ask = lambda url: clients.download(world, bench.project, url)
    ask(upstream.url)  # so that nobody pays for a cold page cache
    upstream.reset(delay)
    pairs = list(in_turns(world.rounds(3), lambda: directly(upstream, ask), lambda: cold_larder(bench, upstream, ask)))
    others = of_peers(bench, upstream, ask)
    upstream.stop()
    return pairs, others


def times(pairs):
    return {"direct_s": [round(direct["cold"], 3) for direct, _ in pairs], "cold_s": [round(own["cold"], 3) for _, own in pairs],
            "warm_s": [round(own["warm"], 3) for _, own in pairs]}


def note_download(table, name, delay, pairs, others, bar):
    asked = pairs[0][1]["asked"]
    details = {"delay_ms": delay, **times(pairs), "asked": asked, "asked_directly": pairs[0][0]["asked"],
               "others": {other: {key: found[key] for key in ("cold", "warm", "cpu", "peak", "asked")} for other, found in others.items()}}
    table.note(name, f"cold go mod download, {delay} ms, to asking the upstream itself", [own["cold"] / direct["cold"] for direct, own in pairs], "x", bar, **details)
    table.note(f"{name}-warm", "the same again, to asking the upstream itself", [own["warm"] / direct["cold"] for direct, own in pairs])
    table.note(f"{name}-cpu", "processor time of Larder for it", [own["cpu"] for _, own in pairs], "s")
    table.note(f"{name}-peak", "peak memory of Larder", [own["peak"] for _, own in pairs], "MiB")
    for other, found in others.items():
        direct = statistics.median(direct["cold"] for direct, _ in pairs)
        table.note(f"{name}-{other}", f"{other}: the same, cold", [found["cold"] / direct])
        table.note(f"{name}-{other}-warm", f"{other}: the same, warm", [found["warm"] / direct])


def note_waste(table, name, pairs, requests, size):
    """What was asked beyond what the client needed."""
    more = lambda key: [own["asked"][key] / direct["asked"][key] - 1 for direct, own in pairs]
    table.note(f"{name}-requests", "requests upstream beyond those of direct", [100 * value for value in more("requests")], "%", requests)
    table.note(f"{name}-bytes", "bytes upstream beyond those of direct", [100 * value for value in more("bytes")], "%", size)
    table.note(f"{name}-twice", "objects that the upstream was asked for twice", [own["asked"]["repeated"] for _, own in pairs], "", at_most(0))
    table.note(f"{name}-at-once", "requests in flight upstream at most", [own["asked"]["most_in_flight"] for _, own in pairs], "")


@row("cold-100")
def cold_100(bench, table):
    pairs, others = download(bench, 100)
    note_download(table, "cold-100", 100, pairs, others, at_most(1 / 4.2, "1/4.2"))
    note_waste(table, "waste", pairs, at_most(70), at_most(3))


@row("cold-20")
def cold_20(bench, table):
    pairs, others = download(bench, 20)
    note_download(table, "cold-20", 20, pairs, others, at_most(1 / 2.5, "1/2.5"))


@row("cold-0")
def cold_0(bench, table):
    pairs, others = download(bench, 0)
    note_download(table, "cold-0", 0, pairs, others, at_most(1.15))


@row("build-100")
def build_100(bench, table):
    world, delay = bench.world, distance(bench, 100)
    small = bench.small
    upstream = servers.upstream(world, bench.tree, 0, bench.fill)
    ask = lambda url: clients.build(world, small, url)
    ask(upstream.url)  # compiles what is compiled once
    upstream.reset(delay)
    pairs = list(in_turns(world.rounds(3), lambda: directly(upstream, ask), lambda: cold_larder(bench, upstream, ask)))
    upstream.stop()
    asked = {"asked": pairs[0][1]["asked"], "asked_directly": pairs[0][0]["asked"]}
    table.note("build-100", "cold go build of a small command of it, 100 ms, to direct", [own["cold"] / direct["cold"] for direct, own in pairs], "x",
               at_most(1 / 4, "1/4"), **times(pairs), **asked)
    table.note("build-100-warm", "the same again", [own["warm"] / direct["cold"] for direct, own in pairs])
    table.note("build-100-bytes", "bytes upstream to those of direct", [own["asked"]["bytes"] / direct["asked"]["bytes"] for direct, own in pairs], "x", at_most(1.3))
    table.note("build-100-requests", "requests upstream to those of direct", [own["asked"]["requests"] / direct["asked"]["requests"] for direct, own in pairs])


@row("sumdb-100")
def sumdb_100(bench, table):
    world, delay = bench.world, distance(bench, 100)
    upstream = servers.upstream(world, bench.tree, delay, bench.fill, sumdb="sum.example.com")
    ask = lambda url: clients.download(world, bench.project, url)
    key = upstream.control("sumdb").strip()
    on = {"GOSUMDB": f"{key} {upstream.url}/-/sumdb"}
    pairs = list(in_turns(world.rounds(3), lambda: cold_larder(bench, upstream, ask), lambda: cold_larder(bench, upstream, ask, on)))
    upstream.stop()
    if not all("sumdb" in own["asked"]["kinds"] for _, own in pairs):
        raise RuntimeError("the checksum database was not asked")
    table.note("sumdb-100", "cold, 100 ms, checksum database on in Larder, to the same off", [own["cold"] / off["cold"] for off, own in pairs], "x", at_most(1.25),
               off_s=[off["cold"] for off, _ in pairs], on_s=[own["cold"] for _, own in pairs], asked=pairs[0][1]["asked"])


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
        shutil.rmtree(cache, ignore_errors=True)
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
    upstream = servers.upstream(world, bench.tree, delay, bench.fill)
    ask = lambda url: clients.download(world, bench.project, url)
    ratios, took, direct_ratios, asked, left = [], [], [], None, []
    for _ in range(world.rounds(3)):
        direct = directly(upstream, ask)["cold"]
        data = world.folder("data")
        upstream.reset()
        took.append(warmed(world, data, bench.project, upstream))
        asked = upstream.settled()
        server = servers.larder(world, data, upstream.url)
        after = ask(server.url)
        left.append(upstream.settled()["requests"] - asked["requests"])
        again = ask(server.url)
        server.stop()
        shutil.rmtree(data, ignore_errors=True)
        ratios.append(after / again)
        direct_ratios.append(after / direct)
    upstream.stop()
    table.note("warm-100", "go mod download after larder warm, to a warm Larder", ratios, "x", at_most(1.05), asked=asked)
    table.note("warm-100-to-direct", "the same, to direct", direct_ratios, "x", at_most(1 / 9, "1/9"))
    table.note("warm-100-left", "requests upstream afterwards, all of them looking ahead", left, "")
    table.note("warm-100-itself", "larder warm itself", took, "s")


def warmed(world, data, project, upstream):
    """Runs `larder warm` into a data folder and returns how long it took."""
    command = [world.program("larder"), "warm", "--data", data, project]
    started = time.monotonic()
    done = subprocess.run([str(word) for word in command], env=servers.environment(world, upstream.url), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"larder warm: {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return time.monotonic() - started
