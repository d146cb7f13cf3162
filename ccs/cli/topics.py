"""What ccs help TOPIC prints: the short form of the manual, to be read without one."""

from __future__ import annotations

from ccs.errors import EXIT_CODES

_SCHEDULES = """
SCHEDULES

A task has one schedule; ccs tasks create and ccs tasks update take it:

  --cron "*/15 9-17 * * mon-fri"   five fields, as Debian cron reads them
  --every 2h                       the phase is fixed when the task is made
  --daily 09:00                    also --weekly 'mon,thu 09:00'
                                   and --monthly 'last 18:00'
  --at "tomorrow 06:00"            once
  --startup                        at the first tick after a boot
  --watch DIR --pattern '*.md'     when files changed and came to rest
  --sequential                     only as a step of its job
  --manual                         only by ccs tasks run; the default
  --usage-reset 5m                 so long after a usage window's reset
  --when-available 30%             once a window, when so much is free
  --before-reset 45m --below 70%   to use what would expire
  --anchor 06:00                   opens a window, unless one is open

Bounds: --between 22:00-07:00, --days mon-fri, --not-before, --until and
--max-runs. --tz names the zone (else the machine's). A time that daylight
saving skips, or that comes twice, runs once.

The machine was off: one run catches up, if it is not later than the grace (the
schedule's period, from 1h to 24h; --grace, --catch-up one|none|all).
The last run still goes on: --overlap skip|queue|replace|allow.

See what would happen:

  ccs schedule next --cron "30 2 * * *" --tz Europe/Berlin
  ccs schedule explain "0 0 13 * 5"
  ccs plan --next 24h
  ccs why TASK
"""

_USAGE = """
USAGE WINDOWS

A plan has several windows at once: of five hours, of seven days, and some that
count one model only. A run that meets a limit ends as limited, which is no
failure. It is parked: a run that goes on with its session is recorded at once
and starts after the reset, in the same directory and on the same account.
What else is due on that account waits and is not lost.

  ccs usage                      what is known, who said it, and what waits
  ccs usage refresh              asks the client; costs no tokens
  ccs usage clear                you know better: an account may go on
  ccs why TASK                   what holds it, and until when

Held by         until                           set by
  limit         the reset and a margin          the server
  reserve       the reset, or its hours' end    profiles update --reserve
  budget        the next day or window          --budget of task, job, profile
  outage        a run gets through              a login or credit that failed

A run that is started by hand waits for a limit and a budget only; --force
passes all four. --on-limit park|fail|hold says what a task does at a limit, and
--fallback-model what it runs with while its own model's window is used up.
ccs spends paid extra usage only with --on-overage allow in a profile.

More: man 7 ccs-usage
"""

_PROFILES = """
PROFILES

A profile sets the environment, the client and the account of a run. A task's
profile goes before its job's, that before default_profile in settings.json.

  ccs profiles create --name work --env-from ANTHROPIC_API_KEY=file:~/.keys/work
  ccs tasks create --profile work --daily 03:00 --prompt "Review src/"

Where a value comes from, looked up at each run (--env-from NAME=...):

  env:OTHER                      another variable
  file:PATH                      a file, less the line end
  command:LINE                   what a shell line prints
  keychain:SERVICE/ACCOUNT       macOS
  keyring:SERVICE/ACCOUNT        the Python package keyring
  aws_sm:SECRET aws_ssm:NAME     through the aws command

--env NAME=VALUE keeps the value in the profile, --unset-env NAME takes a
variable away. A value that cannot be had fails the run (env_failed) before
anything starts. Values are masked wherever ccs prints or logs.
"""

_EXIT_CODES = """
EXIT CODES

{codes}

ccs tick ends with 0 when well, also when nothing is due, another tick is at
work, or a task failed. With JSON output an error is one object on stderr:
{{"error": {{"code": ..., "message": ..., "hint": ...}}}}.
""".format(codes="\n".join(f"  {code:>3}  {words}" for code, words in EXIT_CODES.items()))

_ENVIRONMENT = """
ENVIRONMENT

  CCS_HOME          the store; else ~/.claude-scheduler
  TZ                the zone of new schedules that name none
  NO_COLOR          if not empty: no colours; --color goes before it
  TERM              dumb: no colours and nothing is drawn over
  COLUMNS           the width of tables on a terminal
  VISUAL, EDITOR    for ccs tasks edit
  PATH              where claude and git are looked for; ccs install writes it
                    down for the scheduler
  CLAUDE_CONFIG_DIR the client's directory, if not ~/.claude

Set for the client and whatever it starts:

  CCS_RUN_ID        the run's id; its processes are found by it

Set for the command of a notification: CCS_EVENT CCS_TITLE CCS_TEXT and more,
see ccs notify add --help.
What the bundled mock client plays: CCS_MOCK='limit resets=3600'.
"""

_FILES = """
FILES

All below ~/.claude-scheduler or $CCS_HOME, for nobody's eyes but yours:

  jobs.json tasks.json profiles.json settings.json
                           may be edited by hand; checked at the next read
  runs.json                what is not finished, and the newest finished runs
  history/2026-11.jsonl    older runs, one month a file
  runs/<id>/               an unfinished run: lock, start mark, outcome, stop
  logs/run_<id>.log        to read; .jsonl: as the client printed it
  usage.json               what is known of each account's windows
  notify.json              what has still to be told
  cursors.json agenda tick.json
                           how far each task has been decided; when the next
                           tick may rest; what the last one did
  *.listing                what a list read, for the next one; made anew
  *.prev *.corrupt-TIME    the version before; what a repair set aside

A file that cannot be read is refused and stays as it is: ccs doctor says what
is wrong and mends it. Fields: man 5 ccs-files
"""

_CONTRIB = """
CONTRIB

Files to copy, which came with ccs:

  from={place}

  skill/                   teaches Claude Code to use ccs without surprises:
                           mkdir -p ~/.claude/skills
                           cp -r "$from/skill" ~/.claude/skills/ccs
  client/settings.json     status line and hook by which ccs learns of your
                           usage windows; put it into ~/.claude/settings.json
  client/statusline.sh     the status line that it calls; needs jq:
                           cp "$from/client/statusline.sh" ~/.claude/
  crontab systemd/ launchd/ windows/
                           what ccs install writes, as samples; as it would be
                           written here: ccs install --print
  completion/              what ccs completion prints
"""


def text(topic: str) -> str:
    told = TOPICS[topic].strip("\n")
    return told.format(place=_contrib()) if topic == "contrib" else told


def _contrib() -> str:
    """For a shell. In a checkout beside the package; else where its wheel's data went."""
    import os
    import shlex

    above = os.path.dirname(os.path.abspath(__file__))
    while above != os.path.dirname(above):
        above = os.path.dirname(above)
        for place in ("contrib", "share/ccs/contrib"):
            if os.path.isdir(os.path.join(above, place, "skill")):
                return shlex.quote(os.path.join(above, place))
    return "?  # they are not here; see the source of ccs"


TOPICS = {
    "schedules": _SCHEDULES,
    "usage": _USAGE,
    "profiles": _PROFILES,
    "exit-codes": _EXIT_CODES,
    "environment": _ENVIRONMENT,
    "files": _FILES,
    "contrib": _CONTRIB,
}
