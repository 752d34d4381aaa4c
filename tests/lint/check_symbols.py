#!/usr/bin/env python3
"""check_symbols.py OBJECTS...: fails when an object of libdl could end the process or print. OBJECTS lists one file per line."""
import pathlib
import re
import subprocess
import sys

FORBIDDEN = re.compile(
    r"(_?exit|_Exit|quick_exit|abort|v?printf|__v?printf_chk|puts|putchar|perror|stdout|stderr"
    r"|std::(basic_)?(cout|cerr|clog|cin|wcout|wcerr)|std::terminate\(\))")

objects = [o for arg in sys.argv[1:] for o in pathlib.Path(arg).read_text().split()]
bad = 0
for obj in objects:
    names = subprocess.run(["nm", "-C", "--undefined-only", obj], capture_output=True, text=True, check=True).stdout
    for line in names.splitlines():
        symbol = line.split(maxsplit=1)[1].partition("@")[0].strip()
        # GCC calls std::terminate() by itself where a noexcept function lets an exception out.
        if FORBIDDEN.fullmatch(symbol) and symbol != "std::terminate()":
            print(f"{obj}: refers to {symbol}, but nothing in libdl prints or ends the process")
            bad += 1
print(f"{len(objects)} objects, {bad} violations")
sys.exit(bad > 0 or not objects)
