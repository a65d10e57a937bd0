"""Arguments of the research commands: `backtest`, `forecast`, `tune`. Heavy imports wait for a command."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Data = Annotated[
    Path,
    typer.Option("--data", help="Folder of history; funding_rates.parquet alone can be forecast."),
]
From = Annotated[str, typer.Option("--from", help="First day or moment, UTC: 2025-01-31, 2025-01-31T08:00.")]
To = Annotated[str, typer.Option("--to", help="Last day (whole) or moment, UTC.")]
Horizon = Annotated[str, typer.Option(help="Hours that a forecast is about, such as 24h or 168h.")]
AnyHorizon = Annotated[
    str, typer.Option("--horizon", help="What a forecast is about: 24h, 168h, or `next` settlement.")
]


@app.command()
def backtest(
    data: Data,
    start: From,
    end: To,
    out: Annotated[Path, typer.Option("--out", help="Folder for summary.json and the Parquet files.")],
    capital_usd: Annotated[
        float, typer.Option(min=1.0, max=1e12, help="Spread evenly over the venues.")
    ] = 1_000_000.0,
    every: Annotated[str, typer.Option(help="Time between decisions, such as 8h.")] = "8h",
    horizon: Horizon = "168h",
    baselines: Annotated[bool, typer.Option(help="Run the baselines beside it.")] = True,
    studies: Annotated[
        bool, typer.Option("--studies", help="Other bands, costs, capital, crises; writes report.html, too.")
    ] = False,
) -> None:
    """Back-test recorded history; every decision uses only what was known then."""
    from funding_pipeline.commands.period import parse_hours, parse_period
    from funding_pipeline.commands.research import backtest as run_it
    from funding_pipeline.settings import load_settings
    from funding_pipeline.tracking.trials import trials_ever

    first, last = parse_period(start, end)
    hours = parse_hours(every, option="--every", most=168)
    settings = load_settings(
        market="recorded", data=data, capital_usd=capital_usd, rebalance_every_hours=hours
    )
    portfolio = settings.portfolio_config()
    run_it(
        data=data,
        start=first,
        end=last,
        out=out,
        portfolio=portfolio,
        horizon_hours=parse_hours(horizon, option="--horizon"),
        with_baselines=baselines,
        with_studies=studies,
        trials=trials_ever(settings.state_dir / "mlflow"),
    )


@app.command()
def forecast(
    data: Data,
    train_end: Annotated[str, typer.Option("--train-end", help="Train only on rows known before this.")],
    start: From,
    end: To,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    every: Annotated[str, typer.Option(help="Time between forecasts, such as 8h.")] = "8h",
    horizon: AnyHorizon = "168h",
) -> None:
    """Forecast funding per venue and symbol with a model trained on the past only."""
    from funding_pipeline.commands.period import parse_horizon, parse_hours, parse_moment, parse_period
    from funding_pipeline.commands.research import forecast as run_it

    first, last = parse_period(start, end)
    run_it(
        data=data,
        train_end=parse_moment(train_end, option="--train-end"),
        start=first,
        end=last,
        every_hours=parse_hours(every, option="--every"),
        horizon_hours=parse_horizon(horizon, option="--horizon"),
        out=out,
    )


@app.command()
def explain(
    data: Data,
    at: Annotated[str, typer.Option("--at", help="The moment, UTC: 2024-05-31T08:00; trained on the past.")],
    base: Annotated[str | None, typer.Option("--base", help="Only this coin, such as BTC.")] = None,
    horizon: AnyHorizon = "168h",
) -> None:
    """Forecast funding at one moment and say why: what pulls each forecast, and by how much."""
    from funding_pipeline.commands.explain import explain as run_it
    from funding_pipeline.commands.period import parse_horizon, parse_moment

    moment = parse_moment(at, option="--at")
    run_it(data=data, at=moment, base=base, horizon_hours=parse_horizon(horizon, option="--horizon"))


@app.command()
def tune(
    train_end: Annotated[
        str, typer.Option("--train-end", help="Nothing known after this is read or scored.")
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of history; unset: the stored panel of the set market."),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="Trials in all, with those of earlier sittings.")
    ] = 20,
    horizon: Horizon = "168h",
    every: Annotated[str, typer.Option(help="Time between decisions of a folder's panel.")] = "8h",
    folds: Annotated[int, typer.Option(min=2, max=40, help="Folds before --train-end.")] = 6,
    fold_days: Annotated[int, typer.Option(min=7, max=730, help="Days of a fold.")] = 91,
    embargo: Annotated[
        str | None, typer.Option(help="Gap before a fold, on top of the purge; unset: the horizon.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is proposed; another seed is another study.")] = 7,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Begin no trial after so many minutes.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Stop poor trials early; they are then not in the PBO.")
    ] = False,
) -> None:
    """Search settings of the forecaster inside the training years; every trial is kept and counted."""
    from datetime import timedelta

    from funding_pipeline.commands.period import parse_hours, parse_moment
    from funding_pipeline.commands.tune import tune as run_it
    from funding_pipeline.models.tuning import TuningProtocol
    from funding_pipeline.settings import load_settings
    from funding_pipeline.tracking.study import StudyPlan

    protocol = TuningProtocol(
        horizon_hours=parse_hours(horizon, option="--horizon", most=720),
        train_end=parse_moment(train_end, option="--train-end"),
        folds=folds,
        fold_length=timedelta(days=fold_days),
        embargo=None if embargo is None else timedelta(hours=parse_hours(embargo, option="--embargo")),
    )
    seconds = None if timeout is None else timeout * 60
    run_it(
        load_settings() if data is None else load_settings(market="recorded", data=data),
        data=data,
        plan=StudyPlan(protocol=protocol, trials=trials, seed=seed, timeout=seconds, prune=prune),
        every_hours=parse_hours(every, option="--every", most=168),
    )
