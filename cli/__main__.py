"""``python -m storno.cli``: the same as ``storno``."""

from __future__ import annotations

import sys

from .main import main

sys.exit(main())
