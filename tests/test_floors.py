"""The architecture as a test: imports go down only, ground touches nothing, doors stay thin."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ccs"

# module prefix -> (floor, room); the longest prefix counts
FLOORS = {
    "ccs": (0, "ground"),
    "ccs.errors": (0, "ground"),
    "ccs.duration": (0, "ground"),
    "ccs.instant": (0, "ground"),
    "ccs.text": (0, "ground"),
    "ccs.redact": (0, "ground"),
    "ccs.spellings": (0, "ground"),
    "ccs.model": (0, "ground"),
    "ccs.schedule": (0, "ground"),
    "ccs.usage": (0, "ground"),
    "ccs.notify": (0, "ground"),
    "ccs.exchange": (0, "ground"),
    "ccs.claude": (0, "ground"),
    "ccs.claude.mock": (1, "mock"),
    "ccs.claude.transcripts": (1, "transcripts"),
    "ccs.store": (1, "store"),
    "ccs.host": (1, "host"),
    "ccs.engine": (2, "engine"),
    "ccs.report": (2, "report"),
    "ccs.cli": (3, "cli"),
    "ccs.__main__": (3, "entry"),
    "ccs.entry": (3, "entry"),
}
OUTSIDE = {
    0: {"pydantic", "pydantic_core", "croniter"},
    1: {"apprise", "keyring", "psutil", "filelock", "platformdirs"},
    2: set(),
    3: {"click", "platformdirs"},
}
# The clock, the disk, the environment, other processes.
MACHINE = {"os", "subprocess", "time", "socket", "logging", "shutil", "tempfile", "pathlib", "io"}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
TALK = {"print", "input", "click.echo"}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["ccs", *path.relative_to(PACKAGE).with_suffix("").parts]
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text())
    return found


MODULES = modules()


def place(name: str) -> tuple[int, str]:
    while name not in FLOORS:
        name = name.rpartition(".")[0]
    return FLOORS[name]


def imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found.add(inner if inner in MODULES else module)
    return found


def calls(tree: ast.Module) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("name", MODULES)
def test_imports_of_ccs_go_down_and_edges_do_not_know_each_other(name):
    floor, room = place(name)
    for imported in imports(MODULES[name]):
        if not imported.startswith("ccs"):
            continue
        below, other = place(imported)
        assert below <= floor, f"{name} imports {imported} from above"
        if below == floor == 1:
            assert room == other, f"{name} imports {imported}, another edge"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_right_floor_uses_a_library(name):
    floor, _ = place(name)
    foreign = {
        imported.partition(".")[0]
        for imported in imports(MODULES[name])
        if imported.partition(".")[0] not in sys.stdlib_module_names
    } - {"ccs"}
    assert foreign <= OUTSIDE[floor], f"{name} imports {foreign - OUTSIDE[floor]}"


def test_pydantic_is_asked_only_by_the_judge():
    """Loading it costs more than a whole tick."""
    importers = {
        name
        for name, tree in MODULES.items()
        if any(one.startswith("pydantic") for one in imports(tree))
    }
    assert importers == {"ccs.model.judge", "ccs.model.shape"}
    assert not loaded_by("import ccs.model.shape") & {"pydantic", "pydantic_core"}


@pytest.mark.parametrize("name", [name for name in MODULES if place(name)[0] == 0])
def test_ground_touches_neither_clock_nor_machine(name):
    tree = MODULES[name]
    used = {imported.partition(".")[0] for imported in imports(tree)} & MACHINE
    assert not used, f"{name} imports {used}"
    forbidden = CLOCKS | TALK | {"open"}
    assert not calls(tree) & forbidden, f"{name} calls {calls(tree) & forbidden}"


@pytest.mark.parametrize(
    "name", [name for name in MODULES if place(name)[1] in ("engine", "report")]
)
def test_the_engine_neither_prints_nor_asks_the_time(name):
    assert not calls(MODULES[name]) & (CLOCKS | TALK)
    assert "time" not in imports(MODULES[name])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in MODULES
        if (PACKAGE.parent / name.replace(".", "/") / "__init__.py").exists()
    ],
)
def test_init_files_stay_empty(name):
    body = MODULES[name].body
    if name == "ccs":
        assert len(body) == 1
        assert ast.unparse(body[0]).startswith("__version__")
    else:
        assert body == []


def loaded_by(code: str) -> set[str]:
    probe = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_a_supervisor_carries_only_the_standard_library_and_little_of_it():
    loaded = loaded_by("import ccs.entry, ccs.engine.clock, ccs.engine.supervise")
    assert loaded - {"ccs"} <= set(sys.stdlib_module_names)
    assert not loaded & {"typing", "dataclasses", "inspect", "logging", "asyncio", "pathlib"}


def test_the_short_way_of_an_idle_tick_loads_nothing_heavy():
    loaded = loaded_by("import ccs.entry; from ccs.store import agenda")
    assert not loaded & {"click", "pydantic", "json", "re", "typing", "subprocess", "datetime"}


def test_help_and_version_load_no_models():
    loaded = loaded_by("import ccs.cli.main")
    assert not loaded & {"pydantic", "croniter", "psutil", "filelock"}
