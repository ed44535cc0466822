"""`migrator config`: is what the operator wrote right, and what does it come to?"""

import typer

from migrator.cli.context import open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import Format, emit, emit_one

app = noun("config", "Check the workspace's files, and show what is in force.")


@app.command()
def check(ctx: typer.Context) -> None:
    """Name each mistake in the files by file, line and column.

    Exit code 5 if there is one, or if a secret is not where it should be.

    No secret is read, no `command:` is run and no server is asked. "not obeyed yet" lists keys that this version
    checks but does not act on.

    Example: migrator -C ~/moving-to-new-mail config check
    """
    loaded = open_workspace(ctx)
    unseen = loaded.look_for_secrets()
    emit_one(
        {
            "workspace": str(loaded.root),
            "servers": list(loaded.config.servers),
            "routing": [entry.name for entry in loaded.config.routing],
            "mailboxes": len(loaded.mailboxes),
            "waves": len(loaded.waves),
            "in no wave": len(loaded.mailboxes) - sum(len(wave.mailboxes) for wave in loaded.waves.values()),
            "state": loaded.state_url,
            "secrets found": len(loaded.mentions) - len(unseen),
            "seen only when used": list(map(str, unseen)),
            "not obeyed yet": list(loaded.not_obeyed),
        },
        settings(ctx).form,
    )


@app.command()
def show(ctx: typer.Context) -> None:
    """Print migrator.yaml as it is in force, with every default.

    Secrets are shown as references only.

    Example: migrator config show -o json
    """
    import yaml

    loaded = open_workspace(ctx)
    content = loaded.config.model_dump(mode="json")
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
