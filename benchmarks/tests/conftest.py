"""The benchmarks are scripts that import each other by name, as Python lets scripts of one folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
