"""How a noun's file makes its group of commands."""

import typer


def noun(name: str, text: str) -> typer.Typer:
    """A group of commands called `name`, plain in its looks; the module calls it `app`."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
