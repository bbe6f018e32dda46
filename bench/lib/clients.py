"""Who asks: the go command, wrk, and the clients of bench-load."""
import json
import os
import re
import shutil
import subprocess
import time

# Seconds after which a client is taken to hang.
LIMIT = 1800


def go_environment(world, proxy, cache):
    """Of a go command with nothing cached but its builds: packages of the standard library are not what is measured."""
    home = world.work / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "GOPROXY": proxy, "GOSUMDB": "off", "GOENV": "off",
        "GOMODCACHE": str(cache), "GOCACHE": str(world.work / "gocache"), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off", "XDG_CACHE_HOME": str(world.work / "xdg"),
    }


def go(world, project, proxy, words, before=(), number=0, **settings):
    """Runs a go command with an empty module cache and returns how long it took.

    The cache is always at the same place, so that builds of the same content are known.
    """
    world.tool("go")
    cache = world.work / f"modcache-{number}"
    command = [*map(str, before), "go", *words]
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=project, env=go_environment(world, proxy, cache) | settings, capture_output=True, text=True, timeout=LIMIT)
        taken = time.monotonic() - start
    except subprocess.TimeoutExpired as hangs:
        raise RuntimeError(f"{' '.join(command)} in {project}: not done after {LIMIT} s") from hangs
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} in {project}: {done.returncode}\n{done.stderr[-2000:]}")
    return taken


def download(world, project, proxy, **more):
    return go(world, project, proxy, ["mod", "download"], **more)


def build(world, project, proxy, **more):
    if world.options.quick:
        # Loads the same packages, and compiles nothing of the standard library first.
        return go(world, project, proxy, ["list", "-deps", "./..."], **more)
    return go(world, project, proxy, ["build", "-o", os.devnull, "./..."], **more)


def many_downloads(world, projects, proxy):
    """Runs all downloads at once and returns how long the last one took."""
    world.tool("go")
    start = time.monotonic()
    running = []
    for number, project in enumerate(projects):
        cache = world.work / f"modcache-{number}"
        environment = go_environment(world, proxy, cache)
        running.append((cache, subprocess.Popen(["go", "mod", "download"], cwd=project, env=environment, stderr=subprocess.PIPE, text=True)))
    failures = [process.communicate()[1] for _, process in running if process.wait() != 0]
    taken = time.monotonic() - start
    for cache, _ in running:
        shutil.rmtree(cache, ignore_errors=True)
    if failures:
        raise RuntimeError(failures[0])
    return taken


def throughput(world, server, path, connections=64, seconds=2):
    """Requests a second, as fast as answers come, and their number: wrk's when it is there, which costs the machine less."""
    if shutil.which("wrk") and seconds >= 1:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", server.url + path]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(f"{path}: {out}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), int(re.search(r"(\d+) requests in", out).group(1))
    found = load(world, "closed", server.url, path, connections=connections, seconds=seconds, **trust(world, server.url))
    if found["failed"]:
        raise RuntimeError(f"{path}: {found}")
    return found["per_second"], found["answered"]


def trust(world, url):
    return {"authority": certificate(world) / "cert.pem"} if url.startswith("https") else {}


def load_command(world, command, url, words, **options):
    line = [world.program("bench-load"), command, url]
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", value]
    return [str(word) for word in [*line, *words]]


def load(world, command, url, *words, **options):
    """Runs bench-load to its end and returns what it found."""
    line = load_command(world, command, url, words, **options)
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(line)[:300]}: {done.stderr}")
    return json.loads(done.stdout)


class Crowd:
    """Connections that are open and idle for as long as the block runs."""

    def __init__(self, world, server, path, size):
        self.process = subprocess.Popen(load_command(world, "idle", server.url, [path], connections=size),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the crowd did not come together: {self.process.stderr.read()}")
        return self

    def __exit__(self, *_):
        self.process.communicate("")


def replay(world, server, files):
    """Plays recorded clients at once; seconds by name."""
    found = load(world, "replay", server.url, *files)["sequences"]
    failed = [one for one in found if one["failed"] or one["unasked"]]
    if failed:
        raise RuntimeError(f"replay: {failed[:3]}")
    return {one["name"]: one["seconds"] for one in found}


def certificate(world):
    folder = world.work / "certificate"
    if not folder.exists():
        subprocess.run([world.program("bench-load"), "certificate", folder], check=True)
    return folder
