"""ccs by path, and bytecode that is missing."""

from __future__ import annotations

import compileall
import os
import py_compile
import subprocess
import sys

import pytest

from ccs.host import program


@pytest.fixture
def package(tmp_path, monkeypatch):
    place = tmp_path / "some_package"
    (place / "inner").mkdir(parents=True)
    for name in ("__init__.py", "one.py", "inner/__init__.py"):
        (place / name).write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    compileall.compile_dir(place, quiet=2)
    return place


def missing(package):
    return [os.path.relpath(path, package) for path in program.uncompiled([package.name])]


def test_a_compiled_package_has_nothing_to_tell(package):
    assert missing(package) == []


def test_a_module_whose_bytecode_is_gone_torn_or_old_is_named(package):
    cached = sorted((package / "__pycache__").iterdir())
    cached[0].unlink()
    assert missing(package) == ["__init__.py"]
    cached[1].write_bytes(cached[1].read_bytes()[:10])
    assert missing(package) == ["__init__.py", "one.py"]
    source = package / "inner" / "__init__.py"
    source.write_text("x = 1000\n")
    assert missing(package) == ["__init__.py", "one.py", "inner/__init__.py"]


def test_bytecode_of_another_python_does_not_count(package):
    for path in package.rglob("*.pyc"):
        path.write_bytes(b"\0\0\0\0" + path.read_bytes()[4:])
    assert len(missing(package)) == 3


def test_bytecode_that_goes_by_a_hash_counts(package):
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(package, quiet=2, force=True, invalidation_mode=mode)
    assert missing(package) == []


def test_a_package_that_is_not_installed_is_passed_over():
    assert program.uncompiled(["no_such_package_anywhere"]) == []


@pytest.mark.parametrize("argv", [program.argv, program.scheduled])
def test_by_path_it_is_the_same_program(argv, tmp_path):
    """Also where it has work to do, which `-S` alone would leave without its libraries."""
    home = tmp_path / "store"
    home.mkdir(mode=0o700)
    env = {"CCS_HOME": str(home), "HOME": str(tmp_path), "PYTHONPATH": "/nowhere"}
    for words in (["--version"], ["tick"], ["tick"], ["tasks", "list"], ["tick", "--dry-run"]):
        done = subprocess.run(argv(*words), env=env, cwd="/", capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert (home / "tick.json").exists()
    done = subprocess.run(argv("nothing"), env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert os.path.isabs(argv()[0])
    assert sys.executable.rpartition("/")[0] == argv()[0].rpartition("/")[0]
