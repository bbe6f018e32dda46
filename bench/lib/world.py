"""Processes, folders and ports of one run, and what the processes cost."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
# How Linux names the clock of another process (see clock_getcpuclockid).
CPUCLOCK_SCHED = 2


class Skipped(Exception):
    """A row can't be measured here; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server: its cost is that of all its processes together."""

    def __init__(self, world, command, **more):
        self.log = world.work / f"log-{world.count()}-{Path(str(command[0])).name}"
        self.world = world
        self.name = Path(str(command[0])).name
        with self.log.open("w") as out:
            # A group of its own, so that nothing that it started outlives it.
            self.popen = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **more)
        world.processes.append(self)

    def tree(self):
        found = [self.popen.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(int(child) for child in task.read_text().split())
                except OSError:
                    pass
        return found

    def cpu(self):
        """Seconds of processor time so far, ended children included."""
        ticks = 0
        for pid in self.tree():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
            except OSError:
                pass
        return ticks / TICK

    def ran(self):
        """Seconds of processor time of the processes that live now, to the nanosecond: differences over short times."""
        total = 0
        for pid in self.tree():
            try:
                total += time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)  # ended threads included
            except OSError:
                pass
        return total

    def memory(self, field="VmHWM"):
        """MiB, by a field of /proc/PID/status."""
        total = 0
        for pid in self.tree():
            try:
                found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
                total += int(found.group(1)) if found else 0
            except OSError:
                pass
        return total / 1024

    def wait_port(self, port, limit=60.0):
        """Waits until it listens; one that doesn't is stopped."""
        try:
            self._wait_port(port, limit)
        except RuntimeError:
            self.stop()
            raise

    def _wait_port(self, port, limit):
        start = time.monotonic()
        while time.monotonic() - start < limit:
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.popen.returncode}:\n{self.log.read_text()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} is not ready after {limit} s:\n{self.log.read_text()[-2000:]}")

    def stop(self):
        if self not in self.world.processes:
            return
        self.world.processes.remove(self)
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(40)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class World:
    """Everything that has to be cleared away in the end."""

    def __init__(self, options):
        self.options = options
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        if place is None:
            print("no memory file system at /dev/shm: the disk is part of every figure", file=sys.stderr)
        self.work = Path(tempfile.mkdtemp(prefix="larder-bench-", dir=place))
        self.processes = []
        self.number = 0
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def __enter__(self):
        return self

    def stop_all(self):
        for process in list(self.processes):
            process.stop()

    def __exit__(self, *_):
        self.stop_all()
        shutil.rmtree(self.work, ignore_errors=True)

    def count(self):
        self.number += 1
        return self.number

    def folder(self, name):
        """A new, empty folder."""
        folder = self.work / f"{name}-{self.count()}"
        folder.mkdir()
        return folder

    def remove(self, folder):
        """Removes a folder, also where a go command took the right to write from its module cache."""
        subprocess.run(["chmod", "-R", "u+w", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)

    def program(self, name):
        """One of the programs built from this tree."""
        path = self.options.larder if name == "larder" and self.options.larder else self.options.bin / name
        if not path.exists():
            raise SystemExit(f"{path} is missing; without --bin, bench/run builds it")
        return path.resolve()

    def rounds(self, usual):
        return self.options.rounds or (1 if self.options.quick else usual)

    def tool(self, name):
        found = shutil.which(name)
        if not found:
            raise Skipped(f"{name} is not on the PATH")
        return found
