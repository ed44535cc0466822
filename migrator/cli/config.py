"""`migrator config`: is what the operator wrote right, and what does it come to?"""

from typing import TYPE_CHECKING

import typer

from migrator.cli.context import open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import Format, emit, emit_one, neutral_lines

if TYPE_CHECKING:
    from migrator.workspace import Workspace

app = noun("config", "Check the workspace's files, and show what is in force.")


@app.command()
def check(ctx: typer.Context) -> None:
    """Name each mistake in the files by file, line and column.

    Exit code 5 if there is one. Secrets that are not where they should be are listed; they may come later.

    No secret is read, no `command:` is run and no server is asked.

    Example: migrator -C ~/moving-to-new-mail config check
    """
    loaded = open_workspace(ctx)
    unseen, missing = _secrets(loaded)
    emit_one(
        {
            "workspace": str(loaded.root),
            "servers": list(loaded.config.servers),
            "routing": [entry.name for entry in loaded.config.routing],
            "mailboxes": len(loaded.mailboxes),
            "waves": len(loaded.waves),
            "in no wave": len(loaded.mailboxes) - sum(len(wave.mailboxes) for wave in loaded.waves.values()),
            "state": loaded.state_url,
            "secrets found": len(loaded.mentions) - len(unseen) - len(missing),
            "secrets missing": missing,
            "seen only when used": unseen,
        },
        settings(ctx).form,
    )


def _secrets(loaded: "Workspace") -> tuple[list[str], list[str]]:
    """References that only their use can prove, and those that are not where they should be, told on stderr too."""
    from migrator.workspace.loading import SecretsMissing

    try:
        return [str(one) for one in loaded.look_for_secrets()], []
    except SecretsMissing as error:
        typer.echo(f"warning: {neutral_lines(str(error))}\nwhat to do: {neutral_lines(error.remedy)}", err=True)
        return [], [str(problem) for problem in error.problems]


@app.command()
def show(ctx: typer.Context) -> None:
    """Print migrator.yaml as it is in force, with every default.

    Secrets are shown as references only.

    Example: migrator config show -o json
    """
    import yaml

    loaded = open_workspace(ctx)
    content = loaded.config.model_dump(mode="json", by_alias=True)
    match settings(ctx).form:
        case Format.TABLE:
            typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120), nl=False)
        case Format.CSV:
            emit([{"key": key, "value": value} for key, value in _flat("", content)], Format.CSV)
        case form:
            emit_one(content, form)


def _flat(prefix: str, value: object) -> list[tuple[str, object]]:
    """Nested keys joined by dots, list positions from 0."""
    if isinstance(value, dict) and value:
        return [pair for key, below in value.items() for pair in _flat(f"{prefix}.{key}".lstrip("."), below)]
    if isinstance(value, list) and value:
        return [pair for number, below in enumerate(value) for pair in _flat(f"{prefix}.{number}", below)]
    return [(prefix, value)]
