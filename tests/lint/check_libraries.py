#!/usr/bin/env python3
"""check_libraries.py LIBDL [LIBDL_CUDA]: libdl needs nothing of CUDA's to be loaded; its CUDA kernels do not need libdl, and offer the
dynamic linker their table alone."""
import re
import subprocess
import sys


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def needed(library):
    return [m[1] for line in lines_of("readelf", "--dynamic", library) if (m := re.search(r"\(NEEDED\).*\[(.*)\]", line))]


bad = [f"{sys.argv[1]} needs {n}" for n in needed(sys.argv[1]) if re.match(r"lib(cu|nv)", n)]
for library in sys.argv[2:]:
    bad += [f"{library} needs {n}" for n in needed(library) if n.startswith("libdl.so.0")]
    offered = [line.split()[-1].partition("@")[0] for line in lines_of("nm", "--dynamic", "--defined-only", library)]
    if offered != ["dl_device_table"]:
        bad.append(f"{library} offers {', '.join(offered) or 'nothing'}, expected dl_device_table alone")
print(*bad, sep="\n")
print(f"{len(sys.argv) - 1} libraries, {len(bad)} violations")
sys.exit(bool(bad))
