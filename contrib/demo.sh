#!/bin/sh
# A scheduled run from start to end in a throw-away store. The mock client needs no login.
set -eu

CCS_HOME=$(mktemp -d)/store
export CCS_HOME
trap 'rm -rf "$(dirname "$CCS_HOME")"' EXIT
mkdir -m 700 "$CCS_HOME"
printf '{"format": 1, "mock_mode": true}\n' >"$CCS_HOME/settings.json"

say() { printf '\n$ %s\n' "$*"; }

say ccs jobs create --name demo
job=$(ccs jobs create --name demo -q)

say ccs tasks create --job demo --at +1s --prompt '"Say hello"'
ccs tasks create --job "$job" --name hello --at +1s --prompt "Say hello" -q >/dev/null
sleep 1

say "ccs tick        # cron calls this each minute; it returns at once"
ccs tick --verbose

run=$(ccs runs list -q)
say "ccs runs log -f $(printf %.8s "$run")"
ccs runs log -f "$run"

say "ccs runs list"
ccs runs list --output table
say "ccs runs get $(printf %.8s "$run")"
ccs runs get "$run" --output table

cat <<'END'

That was the bundled mock client. With the real one: install it and log in
(npm install -g @anthropic-ai/claude-code; claude), then do the same without
mock_mode, in your own store:

  ccs tasks create --cron '*/15 * * * *' --prompt 'Say hello'
  ccs tasks run hello --wait        # or: ccs install
END
