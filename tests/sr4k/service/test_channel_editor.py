"""An edited file of channels is written only where nobody else has written it meanwhile."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sr4k.jobs.live_job import LiveJob
from sr4k.service import channel_editor
from sr4k.service.channel_editor import ChannelEditor, FileChanged
from sr4k.service.planned_file import PlannedFile
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Service


def test_a_file_that_is_changed_while_the_edited_one_is_tried_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "channels.yaml"
    path.write_text(f"channels:\n  news:\n    source: pattern://320x180@25\n    targets: [{tmp_path}/a.mkv]\n")
    by_hand = f"{path.read_text()}    sound: false\n"

    def tried(_jobs: Mapping[str, LiveJob]) -> list[str]:
        path.write_text(by_hand)  # as somebody does at the machine, while engines and encoders are tried
        return []

    monkeypatch.setattr(channel_editor, "troubles", tried)
    editor = ChannelEditor(
        PlannedFile(path, None, {}, Redaction()), Service({}), lambda: pytest.fail("reloaded"), lambda _path: True
    )
    shown = editor.shown()
    with pytest.raises(FileChanged):
        editor.save(shown["text"].replace("320x180", "640x360"), shown["version"])
    assert path.read_text() == by_hand
