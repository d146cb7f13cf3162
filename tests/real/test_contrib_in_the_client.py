"""The client finds the skill where contrib/README.md says it goes."""

import json
import shutil
import subprocess
from pathlib import Path

CONTRIB = Path(__file__).parents[2] / "contrib"


def test_the_client_lists_the_skill_and_takes_the_settings(client, client_env, tmp_path):
    home = Path(client_env["HOME"]) / ".claude"
    shutil.copytree(CONTRIB / "skill", home / "skills" / "ccs")
    shutil.copy(CONTRIB / "client" / "settings.json", home)
    done = subprocess.run(
        [client, "-p", "--verbose", "--output-format", "stream-json", "say hello"],
        cwd=tmp_path,
        env=client_env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    [init] = [one for one in events if one.get("subtype") == "init"]
    assert "ccs" in init["skills"]
