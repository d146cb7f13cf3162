"""Whose store it is: the first machine to change it, until another one takes it over."""

from __future__ import annotations

import json
import os

import pytest

from ccs.errors import BrokenStore
from ccs.store import machine


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A root directory of a machine; `system(id)` makes it another one."""
    root = tmp_path / "system"
    (root / "etc").mkdir(parents=True)
    monkeypatch.setattr(machine, "ROOT", str(root))

    def become(identity, *, container=False):
        (root / "etc" / "machine-id").write_text(identity)
        (root / ".dockerenv").unlink(missing_ok=True)
        if container:
            (root / ".dockerenv").touch()

    become("11111111111111111111111111111111\n")
    return become


def test_the_first_change_claims_the_store_and_tells_nobody_the_id(store, system):
    assert not machine.check(store.home)
    with store.locked("a test"):
        pass
    assert machine.check(store.home)
    with open(store.home.host) as file:
        kept = json.load(file)
    assert "11111111" not in json.dumps(kept)
    assert oct(os.stat(store.home.host).st_mode)[-3:] == "600"


def test_another_machine_is_refused_until_it_takes_over(store, system):
    with store.locked("a test"):
        pass
    system("22222222222222222222222222222222\n")
    for change in (
        lambda: store.locked("a test").__enter__(),
        lambda: store.ledger.update("default", lambda known: True),
    ):
        with pytest.raises(BrokenStore, match="another machine") as caught:
            change()
    assert (caught.value.exit_code, "ccs doctor --take-over" in caught.value.hint) == (6, True)
    assert store.tasks.all() == []  # reading goes on
    machine.claim(store.home)
    with store.locked("a test"):
        pass
    system("11111111111111111111111111111111\n")
    with pytest.raises(BrokenStore):
        machine.check(store.home)


@pytest.mark.parametrize("identity", ["", "uninitialized\n"])
def test_a_machine_without_an_id_neither_claims_nor_is_refused(store, system, identity):
    system(identity)
    with store.locked("a test"):
        pass
    assert not os.path.exists(store.home.host)
    system("11111111111111111111111111111111\n")
    with store.locked("a test"):
        pass
    system(identity)
    assert machine.check(store.home)


def test_containers_come_and_go_and_are_not_checked(store, system):
    with store.locked("a test"):
        pass
    system("22222222222222222222222222222222\n", container=True)
    assert machine.identity() is None
    with store.locked("a test"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"machine": 5}', "null", "[" * 100_000])
def test_a_torn_file_is_not_taken_for_a_free_store(store, system, text):
    with open(store.home.host, "w") as file:
        file.write(text)
    os.chmod(store.home.host, 0o600)
    with pytest.raises(BrokenStore):
        machine.check(store.home)
