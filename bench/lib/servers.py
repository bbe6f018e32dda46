"""The servers that are compared, and the upstream that all of them ask."""
import json
import os
import shutil
import time
import urllib.request

from .world import Process, free_port

NGINX = """
worker_processes auto;
daemon off;
pid {work}/nginx-{port}.pid;
error_log {work}/nginx-{port}.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=10000 inactive=300s;
    keepalive_requests 1000000;
    types {{ }}
    default_type text/plain;
    client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work}; uwsgi_temp_path {work}; scgi_temp_path {work};
    server {{ listen 127.0.0.1:{port} {tls}; root {root}; {certificate} }}
}}
"""


class Server:
    """A running server and its URL."""

    def __init__(self, process, url):
        self.process, self.url = process, url

    def get(self, path, limit=60):
        return urllib.request.urlopen(self.url + path, timeout=limit).read()

    def stop(self):
        self.process.stop()


def nginx(world, root, certificate=None):
    world.tool("nginx")
    port = free_port()
    config = world.work / f"nginx-{port}.conf"
    tls, lines = ("", "")
    if certificate:
        tls = "ssl"
        lines = f"ssl_certificate {certificate}/cert.pem; ssl_certificate_key {certificate}/key.pem; ssl_protocols TLSv1.3;"
    config.write_text(NGINX.format(work=world.work, port=port, root=root, tls=tls, certificate=lines))
    process = Process(world, ["nginx", "-c", config])
    process.wait_port(port)
    return Server(process, f"http{'s' if certificate else ''}://127.0.0.1:{port}")


def environment(world, upstream, home=None):
    """What a server is told; everything that it writes stays on the memory file system."""
    home = home or world.work / "home"
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "GOENV": "off", "GOPROXY": upstream, "GOSUMDB": "off"}


def larder(world, data, upstream, certificate=None, **settings):
    port = free_port()
    settings = environment(world, upstream) | settings
    if certificate:
        settings |= {"LARDER_TLS_CERTIFICATE": f"{certificate}/cert.pem", "LARDER_TLS_KEY": f"{certificate}/key.pem"}
    command = [world.program("larder"), "serve", "--listen", f"127.0.0.1:{port}", "--data", data]
    process = Process(world, command, env=settings)
    server = Server(process, f"http{'s' if certificate else ''}://127.0.0.1:{port}")
    process.wait_port(port)
    return server


class Upstream(Server):
    """A file server that is far away, and counts what it is asked."""

    def control(self, command):
        return self.get(f"/-/bench/{command}").decode()

    def reset(self, delay=None):
        if delay is not None:
            self.control(f"delay/{delay}")
        self.control("reset")

    def counts(self):
        return json.loads(self.control("counts"))

    def settled(self):
        """The counts, once nobody asks any more: who looks ahead may still do so when its client is done."""
        last, since = self.counts(), time.monotonic()
        quiet = 0.3 if self.process.world.options.quick else 1.0
        while time.monotonic() - since < quiet:
            time.sleep(quiet / 10)
            now = self.counts()
            if now["requests"] != last["requests"]:
                last, since = now, time.monotonic()
        return last

    def paths(self):
        return [line.split(" ", 5)[5] for line in self.control("log").splitlines()]


def upstream(world, tree, delay=0, fill=False, sumdb=None):
    port = free_port()
    command = [world.program("bench-upstream"), tree, "--listen", f"127.0.0.1:{port}", "--delay", delay]
    command += ["--rate", world.options.rate] if world.options.rate else []
    command += ["--fill"] if fill else []
    command += ["--sumdb", sumdb] if sumdb else []
    process = Process(world, command)
    process.wait_port(port)
    return Upstream(process, f"http://127.0.0.1:{port}")


def goproxy(world, data, upstream):
    port = free_port()
    command = [program(world, "goproxy"), "server", "--address", f"127.0.0.1:{port}", "--cacher-dir", data / "store"]
    settings = environment(world, upstream, data / "home") | {"GOMODCACHE": f"{data}/mod"}
    process = Process(world, command, env=settings, cwd=data)
    process.wait_port(port)
    return Server(process, f"http://127.0.0.1:{port}")


def athens(world, data, upstream):
    port = free_port()
    store = data / "store"
    store.mkdir()
    settings = environment(world, upstream, data / "home") | {
        "ATHENS_STORAGE_TYPE": "disk", "ATHENS_DISK_STORAGE_ROOT": str(store), "ATHENS_PORT": f"127.0.0.1:{port}",
        "ATHENS_GO_BINARY_ENV_VARS": f"GOPROXY={upstream};GOSUMDB=off", "ATHENS_LOG_LEVEL": "error",
    }
    process = Process(world, [program(world, "athens")], env=settings, cwd=data)
    process.wait_port(port)
    return Server(process, f"http://127.0.0.1:{port}")


def nora(world, data, upstream):
    port = free_port()
    settings = environment(world, upstream, data / "home") | {
        "NORA_HOST": "127.0.0.1", "NORA_PORT": str(port), "NORA_STORAGE_PATH": str(data / "store"), "NORA_GO_PROXY": upstream,
        "NORA_RATE_LIMIT_ENABLED": "false",
    }
    process = Process(world, [program(world, "nora"), "serve"], env=settings, cwd=data)
    process.wait_port(port)
    return Server(process, f"http://127.0.0.1:{port}/go")


# Each with the names that its program goes by.
PEERS = {"goproxy": (goproxy, ["goproxy"]), "athens": (athens, ["athens", "athens-proxy"]), "nora": (nora, ["nora"])}


def program(world, name):
    return next(filter(None, map(shutil.which, PEERS[name][1])), None) or world.tool(name)


def chosen(options):
    return [name for name in options.peers.split(",") if name]


def peers(options):
    """The other proxies that can be had here: how each is started, by name."""
    return {name: PEERS[name][0] for name in chosen(options) if any(map(shutil.which, PEERS[name][1]))}


def missing(options):
    """Those that were asked for and can't be had."""
    return [name for name in chosen(options) if name not in peers(options)]
