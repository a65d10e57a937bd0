"""Two runs on one home, a damaged database, a full disk: one line each, and nothing half-written."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.commands.instance import only_run, require_sound_databases
from funding_pipeline.core.errors import StorageError
from funding_pipeline.settings import Settings
from funding_pipeline.storage.whole_file import write_whole


def test_a_second_run_on_one_home_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with only_run(settings):
        program = (
            "import sys; from pathlib import Path; from funding_pipeline.settings import Settings\n"
            "from funding_pipeline.commands.instance import only_run\n"
            "with only_run(Settings(home=Path(sys.argv[1]))): print('in')"
        )
        command = [sys.executable, "-c", program, str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode != 0
        assert f"another run is at work there (process {os.getpid()} since" in second.stderr
    third = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert third.stdout.strip() == "in"


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\x00" + b"\x10\x00" * 1500, b"no database at all, but text"]
)
def test_a_damaged_database_is_named_with_what_is_lost(content: bytes, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    require_sound_databases(settings)
    (tmp_path / "mlflow").mkdir()
    path = tmp_path / "mlflow" / "mlflow.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=rf"{path} is damaged .*move it away and run again"):
        require_sound_databases(settings)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), pl.exceptions.ComputeError("full")]
)
def test_a_full_disk_leaves_the_old_file_and_no_other(error: Exception, tmp_path: Path) -> None:
    path = tmp_path / "equity.parquet"
    path.write_text("old")

    def fill(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(StorageError, match=r"equity.parquet was not written"):
        write_whole(path, fill)
    assert [file.name for file in tmp_path.iterdir()] == ["equity.parquet"]
    assert path.read_text() == "old"
