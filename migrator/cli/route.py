"""`migrator route`: where mail goes now, and where it should go."""

from contextlib import closing
from typing import Annotated

import typer

from migrator.cli.context import open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import Format, emit
