#!/usr/bin/env bash
# check_man.sh PAGE...: each page is roff without complaint and has a NAME that whatis(1) can read.
set -euo pipefail
command -v groff >/dev/null || { echo "SKIP: no groff"; exit 77; }
bad=0
for page in "$@"; do
  said=$(groff -man -ww -Tutf8 -z "$page" 2>&1) || true
  [ -z "$said" ] || { echo "$said" | head -5; bad=1; }
  grep -A1 '^\.SH NAME' "$page" | grep -qE '^[a-z-]+(\\-[a-z]+)* \\- .' || { echo "$page: no line of NAME"; bad=1; }
done
echo "$# pages"
exit $bad
