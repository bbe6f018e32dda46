"""What is downloaded: a made-up world, or a folder that somebody has."""
import json
import re
import subprocess
from pathlib import Path

from .world import Skipped


class Bench:
    """A world with its corpus."""

    def __init__(self, world, tree, project, small, graphs, fill):
        self.world, self.tree, self.fill = world, tree, fill
        self._project, self._small, self._graphs = project, small, graphs

    @property
    def project(self):
        return self._project

    @property
    def small(self):
        if not self._small:
            raise Skipped("this corpus has no small command (--small FOLDER names one)")
        return self._small

    @property
    def graphs(self):
        if not self._graphs:
            raise Skipped("this corpus has one project only")
        return self._graphs

    def near(self, size, fits=lambda path: True):
        """The path of the zip whose size is nearest, of those that fit and have the other files beside them."""
        zips = [path for path in sorted(self.tree.rglob("*.zip")) if fits(path) and all(path.with_suffix(kind).exists() for kind in (".info", ".mod"))]
        if not zips:
            raise Skipped("this corpus has no zip with its .info and .mod")
        return "/" + str(min(zips, key=lambda path: abs(path.stat().st_size - size)).relative_to(self.tree))


def prepare(world):
    options = world.options
    if options.corpus:
        tree = options.corpus.resolve()
        project = options.project.resolve() if options.project else derive(world, tree)
        small = options.small.resolve() if options.small else None
        return Bench(world, tree, project, small, [], True)
    folder = world.work / "corpus"
    command = [world.program("corpus"), folder, "--seed", str(options.seed)] + (["--small"] if options.quick else [])
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"corpus: {made.strip()}", flush=True)
    return Bench(world, folder / "tree", folder / "project", folder / "small", sorted((folder / "graphs").iterdir()), False)


def unescape(text):
    return re.sub("!([a-z])", lambda found: found.group(1).upper(), text)


def derive(world, tree):
    """Makes a project that requires the newest version of every module of which there is a zip.

    The first download writes its go.sum. Where the graph asks for a newer version than there is a zip of, the go command says
    so, and then the project has to be given.
    """
    newest = {}
    for zipped in sorted(tree.rglob("*.zip"), key=lambda path: version_key(path.stem)):
        module = unescape(str(zipped.parent.parent.relative_to(tree)))
        if module != "golang.org/toolchain":
            newest[module] = unescape(zipped.stem)
    project = world.folder("derived")
    lines = "".join(f"\t{module} {version}\n" for module, version in sorted(newest.items()))
    (project / "go.mod").write_text(f"module example.com/derived\n\ngo 1.17\n\nrequire (\n{lines})\n")
    print(f"corpus: {len(newest)} modules of {tree}", flush=True)
    return project


def version_key(version):
    """Orders versions well enough to pick the newest: pre-releases come before their release."""
    numbers, _, rest = version.lstrip("v").partition("-")
    parts = [int(part) for part in re.findall(r"\d+", numbers.split("+")[0])]
    return parts, rest == "", rest
