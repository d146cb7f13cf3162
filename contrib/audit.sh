#!/bin/sh
# Known vulnerabilities and secrets. A check that could not be made is reported as skipped, never as
# passed.
set -u
bin=$1
failed=0

"$bin/pip-audit" --strict --skip-editable >/tmp/ccs-audit.$$ 2>&1
code=$?
if [ $code -eq 0 ]; then
  echo "pip-audit: nothing known"
elif grep -q -i 'found [0-9]* known' /tmp/ccs-audit.$$; then
  cat /tmp/ccs-audit.$$
  failed=1
else
  echo "pip-audit: SKIPPED, no vulnerability service answered"
fi
rm -f /tmp/ccs-audit.$$

if command -v gitleaks >/dev/null; then
  gitleaks detect --no-banner || failed=1
else
  found=$("$bin/detect-secrets" scan --exclude-files '^tests/' | "$bin/python" -c '
import json, sys
for path, hits in json.load(sys.stdin)["results"].items():
    for hit in hits:
        print(path, hit["line_number"], hit["type"])')
  own=$(git grep -nE 'sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|BEGIN [A-Z ]*PRIVATE KEY')
  if [ -n "$found$own" ]; then
    printf '%s\n%s\n' "$found" "$own"
    failed=1
  else
    echo "secrets: none found"
  fi
fi
exit $failed
