"""`migrator wave`: plan, run, watch and take back the move of a department.

files      what waves there are                  planning   who moves together, and when
moving     what moves and what takes back        standing   where they are
"""

from migrator.cli.wave import files, moving, planning, standing
from migrator.cli.wave.options import app

__all__ = ["app", "files", "moving", "planning", "standing"]
