"""Appends until the kernel lets the file grow no further. Run by `test_crash.py`.

`limited_file.py DIRECTORY BYTES`: prints how many records were acknowledged, and why the next was not.
"""

import asyncio
import resource
import sys
from pathlib import Path

from crash_loop import KEY, decision

from metaqore_mesh.spool import FileSpool, SpoolFailed


async def main():
    spool = await FileSpool.open(Path(sys.argv[1]) / "spool", KEY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    acknowledged = 0
    try:
        while True:
            await spool.append("org_a", decision(f"task-{acknowledged}", "org_a", "x"))
            acknowledged += 1
    except SpoolFailed as failed:
        sys.stdout.write(f"{acknowledged} {failed.message}")


asyncio.run(main())
