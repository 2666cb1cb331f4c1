from pathlib import Path

import pytest
from typer.testing import CliRunner

from sr4k.cli.local_paths import check_local
from sr4k.cli.main import app
from sr4k.errors import OptionError


def test_an_address_in_the_place_of_a_path_is_refused_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("s3://films/in", "https://h/a.png"):
        with pytest.raises(OptionError, match=f"^{path} is an address, which can't be used here"):
            check_local(None, Path(path))
    Path("s3:").mkdir()
    Path("s3:/films").touch()
    check_local(Path("s3://films"), Path("/s3://x"), Path("a:b"), Path("no.png"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [["eval", "s3://a/in"], ["sample", "s3://a/in"], ["compare", "a", "b", "--plot", "s3://a/in"]]
)
def test_commands_refuse_addresses_where_they_read_or_write_files_of_this_machine(given: list[str]) -> None:
    told = CliRunner().invoke(app, given)
    assert (told.exit_code, "error: s3://a/in is an address" in told.stderr) == (2, True)
