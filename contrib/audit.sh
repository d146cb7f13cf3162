#!/bin/sh
# audit.sh packages|secrets BIN: known vulnerabilities of what is installed, secrets in what is
# kept. A check that could not be made is reported as SKIPPED, never as passed. BIN: where
# pip-audit, detect-secrets and python are.
set -u
bin=$2
told=$(mktemp) || exit 1
trap 'rm -f "$told"' EXIT

packages() {
  "$bin/pip-audit" --strict --skip-editable >"$told" 2>&1
  code=$?
  if [ $code -eq 0 ] && ! grep -q -i 'could not be audited' "$told"; then
    echo "pip-audit: nothing known"
  elif grep -q -i 'found [0-9]* known' "$told"; then
    cat "$told"
    return 1
  else
    echo "pip-audit: SKIPPED, no vulnerability service answered for every package"
  fi
}

secrets() {
  if command -v gitleaks >/dev/null; then
    gitleaks detect --no-banner --redact --config .gitleaks.toml
    return
  fi
  # Never the value: this may be printed where others read it.
  found=$("$bin/detect-secrets" scan --exclude-files '^tests/' | "$bin/python" -c '
import json, sys
for path, hits in json.load(sys.stdin)["results"].items():
    for hit in hits:
        print(path, hit["line_number"], hit["type"])') || {
    echo "secrets: SKIPPED, detect-secrets could not be run"
    return 0
  }
  own=$(git grep -nE 'sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{20,}|A(KI|SI)A[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,}|xox[abeoprs]-[0-9A-Za-z-]{10,}|BEGIN [A-Z ]*PRIVATE KEY-----$' \
    -- ':!.gitleaks.toml' ':!contrib/audit.sh' | grep -v -E 'sk-ant-oat01-test' | cut -d: -f1,2)
  if [ -n "$found$own" ]; then
    printf '%s\n' "secrets: found" "$found" "$own"
    return 1
  fi
  echo "secrets: none found (gitleaks is not installed: detect-secrets and own patterns)"
}

case $1 in
packages) packages ;;
secrets) secrets ;;
*) echo "audit.sh packages|secrets BIN" >&2; exit 2 ;;
esac
