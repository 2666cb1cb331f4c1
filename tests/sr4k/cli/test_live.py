import socket

import pytest
from clips import MakeClip

from sr4k.cli.main import stream_app


@pytest.mark.slow
def test_a_stream_that_reached_no_target_is_no_success(make_clip: MakeClip, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        target = f"rtmp://127.0.0.1:{unused.getsockname()[1]}/app/topsecret"
        source = make_clip("a.mp4", frames=10)
        with pytest.raises(SystemExit) as ended:
            stream_app([str(source), target, "--realtime", "--engine", "nearest"])
    told = capsys.readouterr().err
    assert ended.value.code == 4
    assert "was never reached: " in told
    assert "topsecret" not in told
