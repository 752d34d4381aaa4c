#!/usr/bin/env bash
# check_format.sh ROOT: every C++ file is as clang-format 14 lays it out. Exit 77 (skipped) where that is absent.
set -euo pipefail
cd "$1"
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ] || ! "$format" --version | grep -q 'version 14\.'; then
  echo "SKIP: no clang-format 14"
  exit 77
fi
find libdl tools tests man \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' \) -print0 | xargs -0 "$format" --dry-run -Werror
