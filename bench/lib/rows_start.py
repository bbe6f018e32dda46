"""How long it takes until the first answer, and what a large store changes."""
import json
import os
import random
import shutil
import socket
import time

from . import rows_crowd, servers
from .results import at_most
from .rows import row
from .world import Process, free_port


def first_answer(world, data, path):
    """Starts a Larder and asks until it answers; the server and the milliseconds."""
    port = free_port()
    command = [world.program("larder"), "serve", "--listen", f"127.0.0.1:{port}", "--data", data]
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    started = time.monotonic()
    process = Process(world, command, env=servers.environment(world, "off"))
    while time.monotonic() - started < 60:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                connection.sendall(request)
                status = connection.recv(4096).split(b" ")[1]
                if status != b"200":
                    raise RuntimeError(f"{path}: {status}")
                return servers.Server(process, f"http://127.0.0.1:{port}"), (time.monotonic() - started) * 1000
        time.sleep(0.001)
    raise RuntimeError(f"no answer within a minute:\n{process.log.read_text()[-1000:]}")


@row("start")
def start(bench, table):
    world = bench.world
    data = world.folder("data")
    taken, idle = [], []
    for _ in range(world.rounds(7)):
        server, ms = first_answer(world, data, "/-/healthz")
        taken.append(ms)
        time.sleep(0.3)
        idle.append(server.process.memory("VmRSS"))
        server.stop()
    table.note("start", "start to the first answer", taken, "ms", at_most(50))
    table.note("start-memory", "memory without a client", idle, "MiB", at_most(40))


def large_store(tree, data, modules, versions):
    """Fills a store with links, as a module cache that was copied in: each version has its own .info, the rest is one version's.

    The files are copied first: the tree may be on another file system, and isn't ours.
    """
    one = min((path for path in tree.rglob("*.zip") if path.with_suffix(".mod").exists()), key=lambda path: path.stat().st_size)
    each = [f"v0.{version}.0" for version in range(versions // modules)]
    infos = data / "infos"
    infos.mkdir(parents=True)
    for version in each:
        (infos / version).write_text(json.dumps({"Version": version, "Time": "2024-01-01T00:00:00Z"}))
    for module in range(modules):
        folder = data / f"modules/example.com/m{module}/@v"
        folder.mkdir(parents=True)
        (folder / "list").write_text("".join(f"{version}\n" for version in each))
        for kind in (".mod", ".zip"):
            shutil.copyfile(one.with_suffix(kind), infos / f"m{module}{kind}")
        for version in each:
            os.link(infos / version, folder / f"{version}.info")
            for kind in (".mod", ".zip"):
                os.link(infos / f"m{module}{kind}", folder / f"{version}{kind}")


@row("million")
def million(bench, table):
    world = bench.world
    versions, modules = (2_000, 100) if world.options.quick else (1_000_000, 1000)
    data = world.folder("million")
    large_store(bench.tree, data, modules, versions)
    each = versions // modules
    taken, idle, hot, wide = [], [], [], []
    any_path = lambda: f"/example.com/m{random.randrange(modules)}/@v/v0.{random.randrange(each)}.0.{random.choice(['info', 'mod'])}"
    random.seed(1)
    rate, seconds = (200, 0.5) if world.options.quick else (2000, 6)
    for _ in range(world.rounds(3)):
        server, ms = first_answer(world, data, "/example.com/m7/@v/v0.3.0.info")
        taken.append(ms)
        idle.append(server.process.memory("VmRSS"))
        listing = server.get("/example.com/m7/@v/list").split()
        if len(listing) != each:
            raise RuntimeError(f"{len(listing)} versions listed, {each} stored")
        hot.append(rows_crowd.p99(world, server, ["/example.com/m7/@v/v0.3.0.info"], rate, seconds, 32))
        wide.append(rows_crowd.p99(world, server, [any_path() for _ in range(int(rate * seconds))], rate, seconds, 32))
        server.stop()
    table.note("million", f"start to the first answer, {versions} versions stored", taken, "ms", at_most(2000))
    table.note("million-memory", "memory after that", idle, "MiB")
    rows_crowd.note_latency(table, "million-wide", "objects never asked before, to one asked always", hot, wide)

