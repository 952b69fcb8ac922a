"""``python -m mmbert`` is ``mmbert``."""

import sys

from mmbert.cli import main

sys.exit(main())
