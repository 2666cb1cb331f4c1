"""Rows that a benchmark of compressed clips has measured before, in a JSON file beside its page.

A run measures only what is missing. Rows of other clips or settings than it asks for are never dropped.
"""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rig.compressed import LANCZOS, Clip, Row, digest, halved, pictures
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.common.whole_file import write_whole


class KeptRows:
    """The rows of the benchmark ``name``, in the folder ``results``."""

    def __init__(self, results: Path, name: str) -> None:
        self._results, self._name = results, name

    def read(self, is_asked: Callable[[Row], bool]) -> list[Row]:
        """Return the stored rows that were measured with the weights that ship now.

        Raises:
            SystemExit: some rows are not ``is_asked`` for, and would be missing in the page of this run.
        """
        stored = self._results / f"{self._name}.json"
        rows: list[Row] = json.loads(stored.read_text())["rows"] if stored.exists() else []
        if others := sum(not is_asked(row) for row in rows):
            sys.exit(
                f"{self._results} holds {others} rows of other clips, settings or numbers of frames, which would be "
                "lost: give another folder with --results."
            )
        return [row for row in rows if has_these_weights(row)]

    def keep(self, rows: Sequence[Row]) -> None:
        """Store the rows so far, whole."""
        write_whole(self._results / f"{self._name}.json", json.dumps(self._data(rows)).encode())

    def publish(self, rows: Sequence[Row], page: str) -> None:
        """Store the rows and the page, and print the page."""
        store(self._results, self._name, self._data(rows), page)
        print((self._results / f"{self._name}.md").read_text())

    @property
    def command(self) -> str:
        """The command of this run, without the folders of files."""
        words = (Path(word).name if "/" in word else word for word in sys.argv[1:])
        return shlex.join(["python", f"benchmarks/{self._name}.py", *words])

    def _data(self, rows: Sequence[Row]) -> dict[str, object]:
        return {"machine": machine.describe(), "command": self.command, "rows": list(rows)}


def has_these_weights(row: Row) -> bool:
    """Whether a stored row was measured with the weights that ship now."""
    return bool(row["weights"] == ("" if row["upscaler"] == LANCZOS else digest(row["upscaler"])))


def named_clips(whole: Sequence[Path], large: Sequence[Path]) -> Mapping[str, Clip]:
    """Return clips by name: those that are ground truth, and those that are at half their size."""
    clips: dict[str, Clip] = {path.stem: partial(pictures, path) for path in whole}
    return clips | {f"{path.stem}, halved": partial(halved, path) for path in large}
