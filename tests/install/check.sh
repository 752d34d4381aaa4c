#!/usr/bin/env bash
# check.sh BUILD CXX: installs BUILD to a temporary prefix and builds a program against it, with find_package(dl) and
# with pkg-config; every installed header must compile by what the package says, and every installed tool must start.
set -euo pipefail
build=$1 cxx=$2 here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmake --install "$build" --prefix "$tmp/moved" >"$tmp/log"
mv "$tmp/moved" "$tmp/prefix"  # the tree works wherever it stands

kernels=$(find "$build/libdl" -maxdepth 1 -name libdl_cuda.so)
if [ -n "$kernels" ] && [ ! -e "$(dirname "$(find "$tmp/prefix" -name libdl.so)")/libdl_cuda.so" ]; then
  echo "libdl_cuda.so is not beside libdl.so"
  exit 1
fi
if find "$tmp/prefix/include" -type d -path '*/kernels/*' | grep .; then
  echo "headers of kernels are installed"
  exit 1
fi

cmake -S "$here" -B "$tmp/cmake" -DCMAKE_PREFIX_PATH="$tmp/prefix" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Debug >>"$tmp/log"
cmake --build "$tmp/cmake" >>"$tmp/log" 2>&1 || { tail -40 "$tmp/log"; exit 1; }
"$tmp/cmake/consumer"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$tmp/prefix" -name dl.pc)")
read -r -a flags <<<"$(pkg-config --cflags --libs dl)"
(cd "$tmp/prefix/include/dl" && find . -name '*.h' -printf '#include "%P"\n' | sort) >"$tmp/all.cpp"
cat "$here/consumer.cpp" >>"$tmp/all.cpp"
"$cxx" -o "$tmp/all" "$tmp/all.cpp" "${flags[@]}"
"$tmp/all"

for tool in "$tmp"/prefix/bin/dl-*; do
  [ -e "$tool" ] || continue
  "$tool" --version >"$tmp/out" || { echo "$tool --version failed"; exit 1; }
done
