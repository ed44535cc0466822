"""The noun `wave`, and what its commands have in common."""

from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.noun import noun
from migrator.model.order import CopyOrder

app = noun("wave", "Plan, run, watch and take back the move of a department.")

Name = Annotated[str, typer.Argument(metavar="WAVE", help="The wave: a file of waves/ without .yaml.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Order = Annotated[
    CopyOrder,
    typer.Option(
        help="Which messages of a folder go first, INBOX before the other folders. "
        "Newest: for a quick switch, when people start work on the target before all their mail is across."
    ),
]
Anew = Annotated[bool, typer.Option("--anew", help="Plan what has not begun as if there were no plan yet.")]
Detailed = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit with 9 when the plan changes something, 0 when nothing.")
]
Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", help="Write the plan there, for `wave apply`, and nothing else."),
]
Full = Annotated[bool, typer.Option("--full", help="Read every message on both servers.")]
Sample = Annotated[str | None, typer.Option(metavar="N%", help="Read that share in full, and compare marks of all.")]
Seed = Annotated[str | None, typer.Option(help="Which sample: as an earlier audit has printed it.")]

At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="Not before: 22:00, a date with a time, or now.")]
Postpone = Annotated[bool, typer.Option("--postpone", help="Hold the cutover until --go, also that of a run.")]
Go = Annotated[bool, typer.Option("--go", help="Release a cutover that waits, whatever for.")]
SkipGate = Annotated[
    list[str] | None, typer.Option("--skip-gate", metavar="NAME", help="Let this gate pass though it is closed.")
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is in the audit log and report.")]
Mailboxes = Annotated[
    list[str] | None, typer.Option("--mailbox", "-m", metavar="ADDRESS", help="Only these mailboxes of the wave.")
]
