"""Networks that the user brought get to the machines by the pool."""

from pathlib import Path

import pytest
from foreign_networks import convolutions, with_card

from sr4k import load_preset
from sr4k.cluster.networks import borrowed, lent
from sr4k.errors import OutputError
from sr4k.media.resume.pool import Pool
from sr4k.models import catalogue
from sr4k.models.foreign.store import FOLDER


def test_a_machine_keeps_the_networks_that_it_lacks_and_refuses_a_file_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "here"))
    path = convolutions(tmp_path / "net.onnx")
    card = with_card(path)
    pool = Pool(tmp_path / "pool")
    pool.make()
    engine = load_preset("file").updated("engine", model=str(path)).engine
    networks = lent(engine, pool)
    networks = lent(engine, pool)  # a second driver, after the first was lost
    assert [each.sha256 for each in networks] == [card.sha256] and len(list(pool.folder.iterdir())) == 1

    monkeypatch.setenv(FOLDER, str(tmp_path / "there"))
    (lent_file,) = pool.folder.iterdir()
    content = lent_file.read_bytes()
    lent_file.write_bytes(content[:-1] + b"?")
    with pytest.raises(OutputError, match="has changed since the job began"):
        borrowed(engine, networks, pool)
    lent_file.write_bytes(content)
    found = catalogue.foreign(borrowed(engine, networks, pool).model)
    assert found is not None and found.card == card and found.path.read_bytes() == content
    pool.remove()
    assert borrowed(engine, networks, pool).model == found.name  # it is kept
