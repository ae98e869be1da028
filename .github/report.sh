#!/usr/bin/env bash
# The report of action.yml: on the job's log and in its summary page. Exits as `btfgen report` does.
#
# Reads the action's inputs from HUB, OBJECTS, REQUIRE, UNKNOWN and BASELINE.
set -euo pipefail

job=(--hub "$HUB")
# Objects may be globs over files. Globs over kernels must not become files.
for object in $OBJECTS; do job+=("$object"); done
set -f
gate=()
for glob in $REQUIRE; do gate+=(--require "$glob"); done
if [ ${#gate[@]} -gt 0 ]; then gate+=(--unknown "$UNKNOWN"); fi

code=0
report=$(btfgen report "${job[@]}" "${gate[@]}" 2>&1) || code=$?
# With a baseline, btfgen prints what changed in place of the table.
if [ -n "$BASELINE" ] && { [ "$code" = 0 ] || [ "$code" = 3 ]; }; then
    report+=$'\n\n'$(btfgen report "${job[@]}" --baseline "$BASELINE" 2>&1) || code=$?
fi

printf '%s\n' "$report"
{
    echo "### btfgen report"
    echo
    echo '~~~~text'
    printf '%s\n' "$report"
    echo '~~~~'
} >> "$GITHUB_STEP_SUMMARY"
exit "$code"
