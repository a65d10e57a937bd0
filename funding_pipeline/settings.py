"""The one settings model: environment variables `FUNDING_*`, over `funding.toml`, over defaults.

What lives here: names, bounds and defaults of settings, and where a market's state is kept. What
does not: limits and assumptions of the portfolio (`portfolio.config`), terms of venues
(`core.venue_terms`).
"""

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.market import Market
from funding_pipeline.core.retention import Retention
from funding_pipeline.core.risk_limits import RiskLimits, limits_at
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.identity_lists import IdentityLists
from funding_pipeline.settings_checks import odd_number_texts, odd_numbers, unknown_keys, unknown_variables
from funding_pipeline.trading.setup import TradingMode, TradingSetup
from funding_pipeline.venues.testnet_address import TestnetAddress

MarketKind = Literal["simulated", "recorded", "live"]
Way = Literal["testnet", "direct"]
_MAJORS = "BTC,ETH,SOL,XRP,DOGE,BNB,AVAX"


class Settings(BaseSettings):
    """Settings of one installation. `FUNDING_MARKET=recorded FUNDING_DATA=dir` reads a folder."""

    model_config = SettingsConfigDict(env_prefix="FUNDING_", extra="ignore", frozen=True)

    market: MarketKind | None = Field(
        default=None, description="simulated, recorded or live; unset: recorded where `data` is set"
    )
    data: Path | None = Field(default=None, description="folder of a recorded market")
    way: Way | None = Field(
        default=None,
        description="how a market without exchanges is read: direct, or by ccxt from the local testnet (a "
        "recorded one: only what follows its end); unset: recorded direct, simulated from the testnet",
    )
    venues: str = Field(default="", description="venues to read, such as `binance,okx`; unset: all there are")
    coins: str = Field(default="", description="bases to read, such as `BTC,ETH`, or `all`; live: 7 majors")
    history_days: int = Field(default=400, ge=1, le=3000, description="of a live market, counted from today")
    testnet_port: int = Field(default=8717, ge=1, le=65535, description="of the local testnet, on 127.0.0.1")
    testnet_speed: float = Field(
        default=1.0, ge=0, le=1e6, description="market seconds per second of the testnet beside the web UI"
    )
    home: Path | None = Field(default=None, description="state of this market; unset: .funding/<market>")
    seed: int = Field(default=7, ge=0, description="seed of the simulated market")
    simulated_from: datetime = Field(default=datetime(2023, 7, 1, tzinfo=UTC))
    simulated_to: datetime = Field(default=datetime(2025, 7, 1, tzinfo=UTC))
    capital_usd: float = Field(default=1_000_000.0, gt=0, description="spread evenly over the venues")
    horizon_hours: int = Field(default=168, ge=1, le=720, description="forecast horizon of the plan")
    rebalance_every_hours: int = Field(default=8, ge=1, le=168)
    backtest_from: datetime | None = Field(default=None, description="unset: after the first training")
    trading: TradingMode = Field(
        default="paper", description="paper: accounts on the local testnet; live: at the exchanges, with keys"
    )
    journal: str = Field(
        default="", description="address of the journal, as SQLAlchemy writes it; unset: a file in `home`"
    )
    strategy: str = Field(default="carry", min_length=1, description="name in every order's id")
    limits: list[dict[str, Any]] = Field(
        default=[], description="risk limits, [[limits]] in funding.toml, each with `effective_from`"
    )
    execution: dict[str, Any] = Field(default={}, description="how orders are carried out, [execution]")
    identity: IdentityLists = Field(
        default=IdentityLists(), description="who may be paired, [identity]: deny and allow"
    )
    portfolio: dict[str, Any] = Field(
        default={}, description="what the plan may do, [portfolio]: fields of PortfolioConfig"
    )
    alert_urls: str = Field(default="", repr=False, description="apprise services to tell, by commas")
    escalation_urls: str = Field(
        default="", repr=False, description="services that are told when something critical goes on"
    )
    rebalance_lead_seconds: float = Field(
        default=300, ge=5, le=1800, description="a rebalance begins this long before a settlement"
    )
    web_port: int = Field(default=3000, ge=1, le=65535, description="of the web UI, on 127.0.0.1")
    keep_tables_days: int = Field(
        default=7, ge=1, le=36500, description="files of a table's earlier versions are removed after"
    )
    keep_runs_days: int = Field(
        default=30, ge=1, le=36500, description="Dagster's runs with events and output are removed after"
    )
    keep_models_days: int = Field(
        default=90, ge=1, le=36500, description="MLflow's runs that no registered model came from go after"
    )
    keep_bodies_days: int = Field(
        default=30, ge=1, le=36500, description="answers of venues, as they came, are removed after"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before `funding.toml`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())

    @field_validator("simulated_from", "simulated_to", "backtest_from", mode="after")
    @classmethod
    def _utc(cls, moment: datetime | None) -> datetime | None:
        """A time without a zone is UTC."""
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @model_validator(mode="after")
    def _recorded_needs_data(self) -> Self:
        if self.market == "recorded" and self.data is None:
            raise ValueError("market `recorded` needs FUNDING_DATA=<folder with funding_rates.parquet>")
        return self

    @property
    def market_kind(self) -> MarketKind:
        """The market that is meant: a data folder alone already means `recorded`."""
        return self.market or ("recorded" if self.data else "simulated")

    @property
    def state_dir(self) -> Path:
        """Folder of this market's tables, models, runs and reports; each market has its own."""
        return (self.home or project_root() / ".funding" / self._market_id).resolve()

    @property
    def retention(self) -> Retention:
        """How long things are kept."""
        return Retention(
            self.keep_tables_days, self.keep_runs_days, self.keep_models_days, self.keep_bodies_days
        )

    @property
    def uses_testnet(self) -> bool:
        """Whether the local testnet is used: for every simulated row, or to trade on a recorded market."""
        default = "direct" if self.market_kind == "recorded" else "testnet"
        return self.market_kind != "live" and (self.way or default) == "testnet"

    def to_trade(self) -> Self:
        """These settings for a command that trades: a recorded market is continued by the local testnet.

        With a `way` that is set nothing changes.
        """
        return self if self.way is not None else self.model_copy(update={"way": "testnet"})

    @property
    def testnet(self) -> TestnetAddress | None:
        """The local testnet of this market and home; None where it is not used."""
        return self.own_testnet if self.uses_testnet else None

    @property
    def own_testnet(self) -> TestnetAddress:
        """The local testnet that these settings would start: it has to prove this market and this home."""
        if self.market_kind == "recorded" and self.data is not None:
            what = f"recorded history in {self.data.resolve()}"
        else:
            period = f"{self.simulated_from.isoformat()} to {self.simulated_to.isoformat()}"
            what = f"simulated market, seed {self.seed}, {period}"
        return TestnetAddress(self.testnet_port, f"{what}; home {self.state_dir}", self.state_dir / "testnet")

    @property
    def _market_id(self) -> str:
        is_apart = self.market_kind == "simulated" and not self.uses_testnet
        return f"{self._rows_id}-direct" if is_apart else self._rows_id

    @property
    def _rows_id(self) -> str:
        if self.market_kind == "live":
            return "live"
        if self.market_kind == "recorded" and self.data is not None:
            address = str(self.data.resolve())
            return f"recorded-{self.data.resolve().name}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
        days = f"{self.simulated_from:%Y%m%d}-{self.simulated_to:%Y%m%d}"
        return f"simulated-{self.seed}-{days}"

    def portfolio_config(self, at: datetime | None = None) -> PortfolioConfig:
        """How capital may be used, with the settings that a user has changed.

        Within the risk limits in force at `at`; without a moment, the newest.
        """
        newest = max(self._risk_limits(), key=lambda limits: limits.effective_from)
        own = {
            "capital_usd": self.capital_usd,
            "identity": self.identity,
            "rebalance_every_hours": self.rebalance_every_hours,
            "risk_limits": newest if at is None else self.risk_limits(at),
        }
        try:
            return PortfolioConfig(**{**self.portfolio, **own})
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(f"[portfolio] {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def open_market(self) -> Market:
        """The market of these settings; raises MarketDataError or SettingsError naming what is wrong."""
        from funding_pipeline.market.choice import (
            continued_market,
            live_market,
            recorded_market,
            testnet_market,
        )

        folder, venues, testnet = self.state_dir / "landing", _names(self.venues), self.testnet
        if self.market_kind == "live":
            return live_market(
                folder, days=self.history_days, venues=venues, coins=self._coins, allow=self.identity.allow
            )
        if self.market_kind == "recorded" and self.data is not None:
            recorded = recorded_market(self.data, venues=venues, coins=self._coins)
            return recorded if testnet is None else continued_market(recorded, folder, testnet=testnet)
        source = self.source_market()
        if testnet is None:
            return source
        return testnet_market(source, folder, testnet=testnet, venues=venues, coins=self._coins)

    def source_market(self, *, ahead_days: int = 0) -> Market:
        """The rows behind the local testnet: recorded, or simulated and `ahead_days` longer than the history.

        Raises SettingsError for a live market, which has no rows of its own."""
        if self.market_kind == "live":
            raise SettingsError("a live market is not served by the testnet: set FUNDING_MARKET=simulated")
        if self.market_kind == "recorded":
            from funding_pipeline.market.recorded import RecordedMarket

            assert self.data is not None
            return RecordedMarket(self.data)
        from funding_pipeline.market.simulated import SimulatedMarket

        end = self.simulated_to + timedelta(days=ahead_days)
        return SimulatedMarket(seed=self.seed, start=self.simulated_from, end=end)

    def trading_setup(self) -> TradingSetup:
        """What trading is done with; SettingsError where these settings leave nothing to trade on."""
        if self.trading == "live" and self.market_kind != "live":
            raise SettingsError("FUNDING_TRADING=live needs FUNDING_MARKET=live: other markets are not real")
        if self.trading == "paper" and not self.uses_testnet:
            what = "a live market is only planned" if self.market_kind == "live" else "it is read direct"
            raise SettingsError(
                f"paper trading needs the local testnet ({what}): set FUNDING_MARKET=simulated or recorded "
                "with FUNDING_WAY=testnet, or FUNDING_TRADING=live for a live market"
            )
        from funding_pipeline.market.choice import connector
        from funding_pipeline.venues.registry import dialect_of

        venues = [venue for venue in self.open_market().span().venues if dialect_of(venue).can_trade]
        return TradingSetup(
            mode=self.trading,
            venues=tuple(venues),
            connect=connector(self.testnet),
            journal_url=self.journal or f"sqlite:///{self.state_dir / 'journal.sqlite'}",
            journal_marker=self.state_dir / "journal.known" if self.journal else None,
            limits=self._risk_limits(),
            execution=self._execution_config(),
            strategy=self.strategy,
            alert_urls=_names(self.alert_urls),
            escalation_urls=_names(self.escalation_urls),
        )

    def risk_limits(self, at: datetime) -> RiskLimits:
        """The configured limits in force at `at`."""
        return limits_at(self._risk_limits(), at)

    def _risk_limits(self) -> tuple[RiskLimits, ...]:
        """The configured limits, or the defaults for the capital."""
        return tuple(RiskLimits.for_capital(self.capital_usd, **given) for given in self.limits or [{}])

    def _execution_config(self) -> ExecutionConfig:
        try:
            return ExecutionConfig(**{"guard_max_age_seconds": 20.0, **self.execution})
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(f"[execution] {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    @property
    def _coins(self) -> frozenset[str] | None:
        """Bases to read; None: every one."""
        names = _names(self.coins) or _names(_MAJORS if self.market_kind == "live" else "all")
        return None if "all" in names else frozenset(name.upper() for name in names)


def load_settings(**given: Any) -> Settings:
    """Settings `given`, then from the environment and `funding.toml`.

    Raises SettingsError with a line for each thing that is wrong: a bad value, a name that nothing reads.
    """
    mistakes = list(_mistakes())
    if mistakes:
        raise SettingsError("; ".join(mistakes))
    try:
        found = Settings(**given)
        found.portfolio_config()
        found._execution_config()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        where = f"FUNDING_{name.upper()}" if first["loc"] else name
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    return found


def file_values() -> Mapping[str, Any]:
    """What `funding.toml` says, by name; empty where there is none. SettingsError where it cannot be read."""
    try:
        return tomllib.loads(settings_file().read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{settings_file()} cannot be read: {error}") from error


TABLES: Mapping[str, type[BaseModel]] = {
    "execution": ExecutionConfig,
    "portfolio": PortfolioConfig,
    "identity": IdentityLists,
    "limits": RiskLimits,
}
"""Tables of the file with keys of their own, by setting."""
NOT_IN_PORTFOLIO = frozenset({"capital_usd", "rebalance_every_hours", "risk_limits", "identity"})
"""What a plan takes from other settings."""


def _mistakes() -> Iterator[str]:
    fields, given, file = Settings.model_fields, file_values(), settings_file().name
    yield from unknown_keys(given, fields, where=file)
    yield from odd_numbers(given, fields, where=file)
    for name, model in TABLES.items():
        known = dict(model.model_fields)
        if name == "portfolio":
            known = {key: field for key, field in known.items() if key not in NOT_IN_PORTFOLIO}
        tables = given.get(name, {})
        for table in tables if isinstance(tables, list) else [tables]:
            where = f"{file} [{name}]"
            if not isinstance(table, Mapping):
                yield f"{where} is no table"
                continue
            yield from unknown_keys(table, known, where=where)
            yield from odd_numbers(table, known, where=where)
    yield from unknown_variables(os.environ, fields)
    yield from odd_number_texts(os.environ, fields)


def _names(text: str) -> tuple[str, ...]:
    """Names between commas, in order, without blanks."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def settings_file() -> Path:
    """The settings file: `$FUNDING_TOML`, or `funding.toml` in the working directory; may not exist."""
    return Path(os.environ.get("FUNDING_TOML", "funding.toml")).resolve()


def project_root() -> Path:
    """The checkout this package runs from; elsewhere (an installed wheel) the working directory."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "dagster.yaml").is_file() else Path.cwd()
