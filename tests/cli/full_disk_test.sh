#!/usr/bin/env bash
# full_disk_test.sh BUILD: on a file system that fills up, every writer exits 5 and the artifact that was there stays
# as it was. Needs the right to mount; skipped without.
set -euo pipefail
PATH=$(cd "$1" && pwd):$PATH
tmp=$(mktemp -d)
mkdir "$tmp/small"
mount -t tmpfs -o size=1m tmpfs "$tmp/small" 2>/dev/null || { rm -r "$tmp"; echo "SKIP: may not mount"; exit 77; }
trap 'umount "$tmp/small"; rm -rf "$tmp"' EXIT
cd "$tmp"

expect_5() {  # FILE command...
  local file=$1 code=0
  shift
  cp "$file" before
  "$@" 2>said || code=$?
  [ "$code" = 5 ] || { echo "exit $code, expected 5, of: $*"; cat said; exit 1; }
  cmp before "$file"
}

dl-prep -q --from digits -s prep.from.count=300 -o small/d.h5
expect_5 small/d.h5 dl-prep -q --from digits -s prep.from.count=20000 -o small/d.h5
dl-train --init=mlp >mlp.json
dl-train -q -c mlp.json -s train.epochs=1 --data small/d.h5 -o m.h5
cp m.h5 small/m.h5 2>/dev/null || { dl-train -q -c mlp.json -s model.layers[1].units=8 -s train.epochs=1 --data small/d.h5 -o tiny.h5; cp tiny.h5 small/m.h5; }
head -c 2000000 /dev/zero >small/filler 2>/dev/null || true
expect_5 small/m.h5 dl-train -q -c mlp.json -s train.epochs=1 --data small/d.h5 -o small/m.h5 --force
echo '{}' >small/metrics.json 2>/dev/null || true
expect_5 small/d.h5 dl-augment -q -s 'augment=["translate"]' small/d.h5 -o small/d.h5
expect_5 small/m.h5 dl-prep -q --from digits -s prep.from.count=20000 --tmp small -o - >stream
[ ! -s stream ] || { echo "a failed writer sent $(wc -c <stream) bytes"; exit 1; }
