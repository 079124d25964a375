"""A soft IOC in a process of its own, driven line by line: `python -m tests.ioc_process FILE.db [RULES.acf]`.

Says `ready` once it serves. Reads one JSON request a line, `{"pv": NAME, "value": TEXT}`, and answers `ok` or `refused`.
Ends when its standard input does, so it never outlives the test that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # dbpf prints what it has written; only our answers belong on the pipe.
    os.dup2(2, 1)
    from epicscorelibs import ioc

    if len(sys.argv) > 2:
        ioc.dbCore.asSetFilename(sys.argv[2].encode())
    ioc.start_ioc(database=str(Path(sys.argv[1])))
    # Calls of the IOC shell flush nothing; the arguments are C strings, the answer is 0 when the value was accepted.
    dbpf = ioc.dbCore.dbpf
    dbpf.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    dbpf.restype = ctypes.c_long
    print("ready", file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        status = dbpf(request["pv"].encode(), request["value"].encode())
        print("refused" if status else "ok", file=answers)
    os._exit(0)


if __name__ == "__main__":
    main()
