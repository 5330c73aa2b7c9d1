"""Fit published devices and hold the fits against a yardstick.

python -m benchmarks.devices --data FOLDER [--docs docs]
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .results import figure, markdown
from .staircases import devices
from .study import ALLOWED, study
from .wear import cell_figures

_BEGIN, _END = "<!-- results: begin -->\n", "<!-- results: end -->"


def main() -> int:
    """Exit status 0: every device as good as the yardstick; 1: one is not; 2: no data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devices", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--docs", type=Path, help="write table and figure into this docs folder")
    parser.add_argument("--processes", type=int, default=2, help="devices at a time")
    options = parser.parse_args()
    there = devices(options.data)
    if not there:
        print(f"error: {options.data}: none of the published files is there", file=sys.stderr)
        return 2
    found = []
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for studied in pool.map(study, there):
            found.append(studied)
            print(f"{studied.device.name}: {studied.choice.why}", flush=True)
    text = "\n\n".join((markdown(found), *cell_figures(options.data)))
    print(text)
    if options.docs:
        page = options.docs / "explanation/real-devices.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        page.write_text(f"{before}{_BEGIN}\n{text}\n\n{_END}{after}", encoding="utf-8")
        figure(found).savefig(options.docs / "images/real-devices.png", dpi=150)
    worse = [s.device.name for s in found if s.worst > ALLOWED]
    for name in worse:
        print(f"worse than {ALLOWED} times the yardstick: {name}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
