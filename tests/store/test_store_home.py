from __future__ import annotations

import os
import stat

import pytest

from ccs.errors import BrokenStore
from ccs.store.home import Home, open_file

DIRECTORIES = ("", "runs", "logs", "locks", "history")


@pytest.fixture
def fresh(tmp_path):
    return Home(str(tmp_path / "deep" / "below" / "store"))


def refusal(home):
    """What is said when the store is used."""
    with pytest.raises(BrokenStore) as caught:
        home.create()
    return caught.value


def test_the_store_is_named_by_the_environment_or_lies_in_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    assert Home.of({}).path == "/somebody/.claude-scheduler"
    assert Home.of({"CCS_HOME": ""}).path == "/somebody/.claude-scheduler"
    assert Home.of({"CCS_HOME": "/else/where/"}).path == "/else/where"


def test_naming_a_store_creates_nothing(fresh):
    assert not fresh.exists()
    assert not os.path.lexists(fresh.path)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_everything_created_is_private_from_its_first_moment(fresh, umask):
    before = os.umask(umask)
    try:
        fresh.create()
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE(os.stat(fresh.file(name)).st_mode) for name in DIRECTORIES}
    assert modes == dict.fromkeys(DIRECTORIES, 0o700)


def test_creating_again_changes_nothing(home):
    with open(home.file("tasks.json"), "w") as file:
        file.write("mine")
    home.create()
    assert home.exists()
    with open(home.file("tasks.json")) as file:
        assert file.read() == "mine"


def test_what_others_can_only_read_is_used(home):
    os.chmod(home.path, 0o755)
    home.create()
    assert home.exists()


@pytest.mark.parametrize("bits", [0o020, 0o002, 0o077])
@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_that_others_can_write_is_refused_not_repaired(home, name, bits):
    path = home.file(name).rstrip("/")
    os.chmod(path, 0o700 | bits)
    refused = refusal(home)
    assert "written by others" in refused.message
    assert refused.hint == f"chmod go-w '{path}'"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700 | bits


def test_a_store_that_others_can_write_is_not_even_looked_at(home):
    os.chmod(home.path, 0o770)
    with pytest.raises(BrokenStore):
        home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_of_another_user_is_refused(home, name):
    path = home.file(name).rstrip("/")
    os.chown(path, 4321, 4321)
    refused = refusal(home)
    assert "another user" in refused.message
    assert refused.hint == f"chown 0 '{path}'"


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_link_in_place_of_a_directory_is_refused(home, name, tmp_path):
    path = home.file(name).rstrip("/")
    os.rename(path, tmp_path / "moved")
    os.symlink(tmp_path / "moved", path)
    refused = refusal(home)
    assert "is a link, not a directory" in refused.message
    assert os.system(refused.hint) == 0
    home.create()
    assert not os.path.islink(path)


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_file_in_place_of_a_directory_is_refused(tmp_path, name):
    home = Home(str(tmp_path / "store"))
    path = home.file(name).rstrip("/")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w"):
        pass
    assert refusal(home).message == f"{path} is not a directory"


def test_a_mending_command_survives_the_shell(tmp_path):
    home = Home(str(tmp_path / "it's here"))
    os.mkdir(home.path)
    os.chmod(home.path, 0o777)
    assert os.system(refusal(home).hint) == 0
    home.create()


@pytest.mark.parametrize("listed_before", [False, True])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_replaced_while_it_is_looked_at_is_neither_gone_nor_foreign(
    home, monkeypatch, listed_before, replaced
):
    """Its writer gives it a second name, and takes the first away while a reader counts them."""
    path, draft = home.file("tasks.json"), home.file(".tasks.json.prev.1.tmp")
    for name in (path, home.file("new")):
        os.close(open_file(name, os.O_CREAT | os.O_WRONLY))
    os.link(path, draft)
    listdir = os.listdir

    def raced(directory):
        found = listdir(directory) if listed_before else []
        if os.path.exists(draft):
            os.replace(draft, path + ".prev")
            if replaced:
                os.replace(home.file("new"), path)
        return found or listdir(directory)

    monkeypatch.setattr(os, "listdir", raced)
    os.close(open_file(path, os.O_RDONLY))
