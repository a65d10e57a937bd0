"""The registry of forecasters: versions with card and evidence, who is champion, and what is barred.

What lives here: keeping and reading back. What does not: which version deserves what (`models.promotion`).
A version carries its card inside the model's own files, and its evidence as artifacts of its run.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import polars as pl

from funding_pipeline.core.errors import StorageError
from funding_pipeline.models.evidence import Evidence
from funding_pipeline.models.forecaster_set import ForecasterSet
from funding_pipeline.models.model_card import ModelCard
from funding_pipeline.tracking.runs import MlflowRun, quiet

MODEL = "funding_forecaster"
CHAMPION = "champion"
CHALLENGER = "challenger"
_CARD = "funding_model_card"
_BARRED = "barred."
_EVIDENCE = "evidence"
_PACKAGE = Path(__file__).resolve().parents[1]
"""The package goes into the model's own files: no index has it, and a pickle fits the code it was made by."""
_MODEL_PACKAGES = ("polars", "numpy", "pandas", "pyarrow", "pydantic", "xgboost")
"""What a model needs to be unpickled and to forecast, beside MLflow, which adds itself."""
# MLflow has the second for an alias that nobody holds.
_NO_SUCH_THING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class RegisteredVersion:
    """A registered version: number, run, aliases, card, and tags such as its verdict."""

    version: str
    run_id: str
    aliases: tuple[str, ...]
    card: ModelCard
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """A recipe that may not become champion: who said so, why, when (UTC), about which version."""

    recipe: str
    version: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class ForecasterRegistry:
    """Versions of the registered model `funding_forecaster`. `connect`: MLflow, pointed to its store."""

    connect: Callable[[], Any]

    def register(
        self, run: MlflowRun, models: ForecasterSet, card: ModelCard, example: pl.DataFrame
    ) -> RegisteredVersion:
        """Log and register a set with its signature and card; the newest registration is challenger."""
        from mlflow.models import infer_signature

        features, forecasts = _plain(example), _plain(models.predict(example))
        with quiet():
            info = run.mlflow.pyfunc.log_model(
                name="model",
                python_model=_pyfunc(models),
                registered_model_name=MODEL,
                signature=infer_signature(features, forecasts),
                metadata={_CARD: card.model_dump(mode="json")},
                pip_requirements=_requirements(),
                code_paths=[str(_PACKAGE)],
            )
        version = str(info.registered_model_version)
        client = run.mlflow.MlflowClient()
        for key, value in _tags(card).items():
            client.set_model_version_tag(MODEL, version, key, value)
        client.set_registered_model_alias(MODEL, CHALLENGER, version)
        return RegisteredVersion(version, run.run_id, (CHALLENGER,), card, _tags(card))

    def load(self, version: str) -> ForecasterSet:
        """The fitted models of a version; raises StorageError naming it when they cannot be read."""
        mlflow = self.connect()
        try:
            with quiet():
                model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").unwrap_python_model()
            models: ForecasterSet = model.forecaster
        except Exception as error:
            raise StorageError(f"model version {version} cannot be loaded: {_first_line(error)}") from error
        return models

    def of_alias(self, alias: str) -> RegisteredVersion | None:
        """The champion or challenger, or None where there is none. StorageError: it cannot be read."""
        found = self._asked(lambda client: client.get_model_version_by_alias(MODEL, alias))
        return None if found is None else self._registered(found)

    def version(self, version: str) -> RegisteredVersion:
        """A version by its number; StorageError where there is none such, or its card is unreadable."""
        found = self._asked(lambda client: client.get_model_version(MODEL, version))
        if found is None:
            raise StorageError(f"there is no model version {version}: `funding-pipeline models`")
        return self._registered(found)

    def versions(self) -> list[Mapping[str, Any]]:
        """One row per version, newest first: `version`, `aliases`, `registered_at` and its tags."""
        client = self.connect().MlflowClient()
        found = client.search_model_versions(f"name='{MODEL}'")
        aliases = self._aliases()
        rows = [
            {
                "version": str(one.version),
                "aliases": [name for name, version in aliases.items() if version == str(one.version)],
                "registered_at": one.creation_timestamp,
                **one.tags,
            }
            for one in found
        ]
        return sorted(rows, key=lambda row: int(row["version"]), reverse=True)

    def set_champion(self, version: str | None) -> None:
        """The version that forecasts; None: no model does, and the baseline forecasts."""
        client = self.connect().MlflowClient()
        if version is not None:
            client.set_registered_model_alias(MODEL, CHAMPION, version)
        elif CHAMPION in self._aliases():
            client.delete_registered_model_alias(MODEL, CHAMPION)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Say something about a version, such as its verdict."""
        client = self.connect().MlflowClient()
        for key, value in tags.items():
            client.set_model_version_tag(MODEL, version, key, value)

    def attach(self, version: RegisteredVersion, evidence: Evidence) -> None:
        """Keep what a version is judged by with its run."""
        client = self.connect().MlflowClient()
        with tempfile.TemporaryDirectory() as folder:
            for name, frame in evidence.frames().items():
                path = Path(folder) / f"{name}.parquet"
                frame.write_parquet(path)
                client.log_artifact(version.run_id, str(path), _EVIDENCE)

    def evidence(self, version: RegisteredVersion) -> Evidence | None:
        """What a version was judged by; None where it never was. StorageError: it cannot be read."""
        mlflow = self.connect()
        try:
            with quiet():
                kept = mlflow.artifacts.list_artifacts(run_id=version.run_id, artifact_path=_EVIDENCE)
                if not kept:
                    return None
                folder = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=_EVIDENCE)
            frames = {path.stem: pl.read_parquet(path) for path in Path(folder).glob("*.parquet")}
            return Evidence.of_frames(frames, recipe=version.card.recipe)
        except Exception as error:  # MLflow raises what its store raises: a file, a URI, a database
            raise StorageError(
                f"the evidence of model version {version.version} cannot be read: {type(error).__name__}"
            ) from error

    def bar(self, bar: Bar) -> None:
        """Keep a recipe from becoming champion until it is allowed again."""
        said = {"version": bar.version, "by": bar.by, "reason": bar.reason, "at": bar.at.isoformat()}
        client = self.connect().MlflowClient()
        client.set_registered_model_tag(MODEL, f"{_BARRED}{bar.recipe}", json.dumps(said))

    def allow(self, recipe: str) -> None:
        """Take back a bar; nothing happens where there is none."""
        if self.barred(recipe) is not None:
            self.connect().MlflowClient().delete_registered_model_tag(MODEL, f"{_BARRED}{recipe}")

    def barred(self, recipe: str) -> Bar | None:
        """The bar on a recipe, if there is one; StorageError where that cannot be read."""
        model = self._asked(lambda client: client.get_registered_model(MODEL))
        said = None if model is None else model.tags.get(f"{_BARRED}{recipe}")
        if said is None:
            return None
        read = json.loads(said)
        at = datetime.fromisoformat(read["at"])
        return Bar(recipe, read["version"], read["by"], read["reason"], at)

    def _aliases(self) -> Mapping[str, str]:
        model = self._asked(lambda client: client.get_registered_model(MODEL))
        return {} if model is None else {name: str(held) for name, held in model.aliases.items()}

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        """What MLflow's client answers, or None where there is no such thing. StorageError: no answer."""
        try:
            return question(self.connect().MlflowClient())
        except Exception as error:  # MLflow raises what its database raises
            if getattr(error, "error_code", "") in _NO_SUCH_THING:
                return None
            raise StorageError(f"the registry of models cannot be read: {_first_line(error)}") from error

    def _registered(self, found: Any) -> RegisteredVersion:
        version = str(found.version)
        try:
            with quiet():
                kept = self.connect().models.get_model_info(f"models:/{MODEL}/{version}").metadata
            card = ModelCard.model_validate(kept[_CARD])
        except Exception as error:
            raise StorageError(f"model version {version} cannot be read: {_first_line(error)}") from error
        aliases = tuple(name for name, held in self._aliases().items() if held == version)
        return RegisteredVersion(version, str(found.run_id), aliases, card, dict(found.tags))


def _tags(card: ModelCard) -> dict[str, str]:
    """What the registry's list shows of a version."""
    return {
        "recipe": card.recipe,
        "train_end": card.train_end.isoformat(),
        "market": card.market,
        "horizons_hours": ", ".join(map(str, card.horizons_hours)),
        "features": str(len(card.inputs)),
        "package_version": card.package_version,
        "git_commit": card.git_commit,
        **card.data_versions,
    }


def _plain(frame: pl.DataFrame) -> Any:
    """As pandas, times without zone: what MLflow can put into a signature."""
    plain = frame.to_pandas()
    for column in plain.select_dtypes("datetimetz"):
        plain[column] = plain[column].dt.tz_localize(None)
    return plain


def _requirements() -> list[str]:
    """Pinned as they are here; xgboost comes as another distribution on Linux (without CUDA)."""
    providers = packages_distributions()
    names = [providers.get(package, [package])[0] for package in _MODEL_PACKAGES]
    return [f"{name}=={installed(name)}" for name in names]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _pyfunc(models: ForecasterSet) -> Any:
    """The set as an MLflow python model: pandas features in, pandas forecasts out."""
    import mlflow.pyfunc

    class ForecasterModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def __init__(self, fitted: ForecasterSet) -> None:
            self.forecaster = fitted

        # MLflow reads type hints here and does not know these: none are given.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return self.forecaster.predict(pl.from_pandas(model_input)).to_pandas()

    return ForecasterModel(models)
