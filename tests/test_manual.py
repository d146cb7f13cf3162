"""The manual tells what the program does: commands, options, exit codes, files and their fields."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from commands import command_line, commands, parse

from ccs.cli.topics import TOPICS
from ccs.errors import EXIT_CODES, CcsError
from ccs.model import budget, job, notify, profile, run, schedule, settings, task
from ccs.store.home import _PARTS, Home

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "man").iterdir())}
SOURCES = [path.read_text() for path in sorted((ROOT / "ccs").rglob("*.py"))]


def section(page, title, level="Sh"):
    """From one heading to the next of its level."""
    found = re.search(
        rf"^\.{level} {title}\n(.*?)(?=^\.(?:Sh|{level}) |\Z)", PAGES[page], re.M | re.S
    )
    assert found, f"{page} has no {title}"
    return found[1]


def items(text, macro):
    """The words that a list's items begin with."""
    return re.findall(rf"^\.It {macro}(.*)$", text, re.M)


def test_there_are_four_pages_with_the_sections_of_an_honest_one():
    assert list(PAGES) == ["ccs-files.5", "ccs-tick.1", "ccs-usage.7", "ccs.1"]
    for name in PAGES:
        for title in ("NAME", "DESCRIPTION", "FILES", "ASSUMPTIONS", "CAVEATS", "SEE ALSO"):
            assert section(name, title).strip(), (name, title)
        assert PAGES[name].isascii(), name
    for name in ("ccs.1", "ccs-tick.1"):
        for title in ("ENVIRONMENT", "EXIT STATUS", "EXAMPLES"):
            assert section(name, title).strip(), (name, title)


def test_each_page_names_only_pages_that_there_are():
    for name, text in PAGES.items():
        for page, number in re.findall(r"^\.Xr (ccs\S*) (\d)", text, re.M):
            assert f"{page}.{number}" in PAGES, (name, page)
        heads = {title.strip() for title in re.findall(r"^\.S[hs] (.*)$", text, re.M)}
        for title in re.findall(r"^\.Sx (.*?)(?: [.,;])?$", text, re.M):
            assert title in heads, (name, title)


# Commands -------------------------------------------------------------------


def test_every_command_and_option_stands_in_the_manual_as_the_program_has_it():
    place = importlib.util.spec_from_file_location("manual", ROOT / "contrib" / "manual.py")
    manual = importlib.util.module_from_spec(place)
    place.loader.exec_module(manual)
    page = PAGES["ccs.1"]
    assert manual.rewritten(page) == page, "the commands were changed since: make man"
    told = set(items(section("ccs.1", "COMMANDS"), "Cm "))
    for path, command in commands():
        named = [one for one in told if one.startswith(" ".join(path))]
        assert named, path
        shown = manual.section()
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                longest = max(option.opts, key=len)[1:].replace("-", "\\-", 1)
                assert longest in shown or longest in "\\-quiet", (path, longest)


def options():
    found = {"-h", "--help"}
    for command in [command_line, *(command for _, command in commands())]:
        for one in command.params:
            found.update(one.opts, one.secondary_opts)
    return found


def test_no_page_tells_of_an_option_that_there_is_not():
    known = options() | {"--", "--mcp-config"}  # the latter is the client's
    for name, text in PAGES.items():
        for line in text.splitlines():
            for flag in re.findall(r"\bFl (\S+)", line) if line.startswith(".") else ():
                assert "-" + flag.replace("\\", "") in known, (name, line)


def test_no_page_tells_of_a_command_that_there_is_not():
    known = {" ".join(path) for path, _ in commands()}
    for name, text in PAGES.items():
        by_hand = text.partition('.\\" BEGIN COMMANDS')[0]
        for words in re.findall(
            r"^\.(?:It Nm|Nm)(?: ccs)? Cm ([a-z -]+?)(?= [A-Z.,|]|$)", by_hand, re.M
        ):
            assert words in known or any(words == one.rpartition(" ")[0] for one in known), (
                name,
                words,
            )


def lines_of_examples():
    for name, text in PAGES.items():
        text = text.partition('.\\" BEGIN COMMANDS')[0] + text.partition("END COMMANDS")[2]
        for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S):
            plain = block.replace("\\(aq", "'").replace("\\(dq", '"').replace("\\(ti", "~")
            plain = plain.replace("\\-", "-").replace("\\(ga", "`").replace("\\(ha", "^")
            plain = plain.replace("\\e\n", " ").replace("\\\n", " ").replace("\\[u2026]", "x")
            for line in plain.splitlines():
                if line.strip().startswith("ccs "):
                    yield pytest.param(line.strip(), id=f"{name}: {line.strip()[:60]}")


@pytest.mark.parametrize("line", list(lines_of_examples()))
def test_each_example_of_the_manual_is_one_that_ccs_would_take(line):
    parse(line)


def lines_of_the_readme():
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    for line in re.findall(r"^    (?:\$ )?(ccs [a-z].*)$", text, re.M):
        words = re.split(r"\s+#|  +[a-z]", line)[0]
        if "►" not in line and "…" not in words:
            yield pytest.param(words, id=words[:60])


@pytest.mark.parametrize("line", list(lines_of_the_readme()))
def test_each_command_of_the_readme_is_one_that_ccs_would_take(line):
    parse(line)


def test_each_test_that_the_readme_points_at_is_there():
    named = re.findall(r"`((?:tests|contrib)/[\w/.]*)`", (ROOT / "README.md").read_text())
    assert len(named) > 10
    for place in named:
        assert (ROOT / place).exists(), place


# Exit codes, environment ----------------------------------------------------


def test_the_exit_codes_are_those_of_the_errors_of_the_help_and_of_the_manual():
    def codes(kind):
        yield kind.exit_code
        for one in kind.__subclasses__():
            yield from codes(one)

    assert set(codes(CcsError)) | {0, 5, 130} == set(EXIT_CODES)
    told = [int(code) for code in items(section("ccs.1", "EXIT STATUS"), "")]
    assert told == list(EXIT_CODES)
    assert {int(code) for code in items(section("ccs-tick.1", "EXIT STATUS"), "")} <= set(told)
    epilog = command_line.epilog
    assert [int(code) for code in re.findall(r"(?<=[ ,])(\d+) [a-z]", epilog)] == told
    assert all(f"{code:>3}  " in TOPICS["exit-codes"] for code in told)


def test_the_variables_that_ccs_goes_by_are_told():
    told = section("ccs.1", "ENVIRONMENT") + section("ccs.1", "NOTIFICATIONS")
    used = {name for text in SOURCES for name in re.findall(r"\bCCS_[A-Z_]*[A-Z]\b", text)}
    assert used
    for name in used | {"NO_COLOR", "TERM", "TZ", "VISUAL", "EDITOR", "PATH", "COLUMNS"}:
        assert name in told, name
    for name in ("CCS_HOME", "NO_COLOR", "TERM", "TZ", "EDITOR", "CCS_RUN_ID", "CCS_MOCK"):
        assert name in TOPICS["environment"], name


# Files ----------------------------------------------------------------------

MODELS = {
    "Job": [job.Job],
    "Working directory": [job.WorkingDirectory],
    "Job run": [job.JobRun],
    "Task": [task.Task],
    "Retry": [task.Retry],
    "Schedule": schedule.Kind.__subclasses__(),
    "Budget": [budget.Budget],
    "Run": [run.Run],
    "Usage of a run": [run.Usage],
    "Profile": [profile.Profile],
    "Variable": [profile.EnvVar],
    "Reserve": [budget.Reserve],
    "Settings": [settings.Settings],
    "Notifications": [notify.Notifications],
    "Channel": [notify.Channel],
}


def test_each_field_of_each_record_is_told_and_no_other():
    titles = re.findall(r"^\.Ss (.*)$", PAGES["ccs-files.5"], re.M)
    assert titles == list(MODELS)
    for title, kinds in MODELS.items():
        told = items(section("ccs-files.5", title, "Ss"), "Li ")
        assert len(told) == len(set(told)), title
        fields = {name for kind in kinds for name in kind.model_fields}
        assert set(told) == fields, title


def test_each_file_of_the_store_is_told():
    told = section("ccs-files.5", "FILES")
    home = Home("/store")
    paths = [getattr(home, name) for name, one in vars(Home).items() if isinstance(one, property)]
    paths = [one for one in paths if isinstance(one, str)]
    paths += [home.collection(name) for name in ("jobs", "tasks", "profiles", "runs")]
    paths += [f"/store/{name}/" for name in _PARTS] + home.logs_of("<id>")
    for path in paths:
        name = path.rstrip("/").rpartition("/")[2].removesuffix(".gz")
        assert name in told, path


# Installation ---------------------------------------------------------------


def test_the_wheel_the_sdist_and_make_carry_every_page():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]
    pages = {f"man/{name}": f"share/man/man{name[-1]}/{name}" for name in PAGES}
    shared = build["wheel"]["shared-data"]
    assert {place: shared.get(place) for place in pages} == pages
    assert "man" in build["sdist"]["include"]


def test_make_installs_them_where_man_looks(tmp_path):
    make = ["make", "-s", "-C", str(ROOT), "install-man", f"PREFIX={tmp_path}"]
    subprocess.run(make, check=True, capture_output=True)
    found = {path.relative_to(tmp_path / "share" / "man") for path in tmp_path.rglob("*.[157]")}
    assert found == {Path(f"man{name[-1]}") / name for name in PAGES}


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
@pytest.mark.parametrize("name", list(PAGES))
def test_each_page_is_sound(name):
    call = ["groff", "-mandoc", "-ww", "-Tutf8", "-P-cbou", str(ROOT / "man" / name)]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert "CAVEATS" in done.stdout
