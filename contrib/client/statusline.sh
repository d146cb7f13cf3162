#!/bin/sh
# A status line for Claude Code, as in: Sonnet  app  5h 41%  7d 12%
# Its settings.json calls it through `ccs usage record --`, which learns the same figures. Needs jq.
# To see them without ccs let the settings call it alone.
exec jq -r '[
    .model.display_name,
    (.workspace.current_dir // .cwd // "" | split("/") | last),
    (.rate_limits.five_hour.used_percentage | numbers | "5h \(round)%"),
    (.rate_limits.seven_day.used_percentage | numbers | "7d \(round)%")
  ] | map(strings | select(. != "")) | join("  ") | gsub("[[:cntrl:]]"; "")'
