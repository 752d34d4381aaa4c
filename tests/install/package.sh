#!/usr/bin/env bash
# package.sh BUILD: the Debian package names what it needs, and what is in it runs from where it is unpacked.
set -euo pipefail
build=$1
for program in dpkg-deb dpkg-shlibdeps file; do
  command -v "$program" >/dev/null || { echo "SKIP: no $program"; exit 77; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(cd "$build" && cpack -G DEB -B "$tmp") >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
deb=$(echo "$tmp"/dl_*.deb)
depends=$(dpkg-deb -f "$deb" Depends)
[[ $depends == *libc6* && $depends == *libstdc++6* ]] || { echo "Depends: $depends"; exit 1; }
dpkg-deb -x "$deb" "$tmp/unpacked"
given=$(sed -n 's/^DL_CUDA:[A-Z]*=//p' "$build/CMakeCache.txt") held=$(find "$tmp/unpacked" -name libdl_cuda.so)
if [ "$given" = ON ] && [ -z "$held" ] || [ "$given" != ON ] && [ -n "$held" ]; then
  echo "DL_CUDA is $given, the package holds: ${held:-no CUDA kernels}"
  exit 1
fi
for tool in "$tmp"/unpacked/usr/bin/dl-*; do
  [ -e "$tool" ] || continue
  "$tool" --version >/dev/null
done
if grep -rlF -e "$(cd "$build" && pwd)" "$tmp/unpacked"; then
  echo "the package holds the path of its build folder in the files above"
  exit 1
fi
