"""Arguments of `models`, `models rollback` and `models allow`. Heavy imports wait for a command."""

from typing import Annotated

import typer

app = typer.Typer(
    name="models",
    help="Registered forecasters: versions, verdicts, and taking a champion back.",
    invoke_without_command=True,
)

Person = Annotated[str, typer.Option("--person", prompt="Your name", help="Who you are; it is kept.")]
Reason = Annotated[str, typer.Option("--reason", prompt="Why", help="Why; it is kept and shown.")]


@app.callback()
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Registered forecasters, newest first: who forecasts, what was decided about each, and why."""
    from funding_pipeline.commands.models import show_models
    from funding_pipeline.settings import load_settings

    if context.invoked_subcommand is None:
        show_models(load_settings(), as_json=as_json)


@app.command()
def rollback(
    person: Person,
    reason: Reason,
    to: Annotated[
        str, typer.Option("--to", help="Version, or `baseline`; unset: the champion before this one.")
    ] = "",
) -> None:
    """Take the champion back: an earlier version forecasts, and its recipe is barred until it is allowed."""
    from funding_pipeline.commands.models import roll_back_model
    from funding_pipeline.settings import load_settings

    roll_back_model(load_settings(), to=to, person=person, reason=reason)


@app.command()
def allow(
    recipe: Annotated[
        str, typer.Argument(help="Recipe that was barred by a rollback, as `models` shows it.")
    ],
    person: Person,
    reason: Reason,
) -> None:
    """Allow a recipe that was rolled back to become champion again, at its next training."""
    from funding_pipeline.commands.models import allow_model_recipe
    from funding_pipeline.settings import load_settings

    allow_model_recipe(load_settings(), recipe=recipe, person=person, reason=reason)
