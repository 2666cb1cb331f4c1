import pytest

from sr4k.service.failure_kinds import KINDS, kind_of


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the connection was refused", "refused"),
        ("its certificate is not trusted", "certificate"),
        (
            "nobody publishes there, or the application or key is wrong, or its certificate is not trusted",
            "rejected",
        ),
        ("nobody publishes there, or the application or key is wrong", "rejected"),
        ("it is not allowed: somebody else may be publishing under this name", "rejected"),
        ("the name nowhere.example can't be resolved", "name"),
        ("Network is unreachable", "unreachable"),
        ("it does not answer", "timeout"),
        ("nothing came for 5 s", "timeout"),
        ("it accepted no data for 4 s", "timeout"),
        ("nobody answers there", "timeout"),
        ("there was sound, but no picture for 20 s", "timeout"),
        ("its playlists did not load within 20 s", "timeout"),
        ("the other side refused the connection", "rejected"),
        ("the other side has a different passphrase", "rejected"),
        ("the server answered 404 Not Found", "rejected"),
        ("SSL_CERT_FILE names none.pem, which is not a file", "certificate"),
        ("no process could be started (Too many open files)", "limits"),
        ("its process sent an invalid report", "limits"),
        ("the disk is full", "disk"),
        ("Permission denied", "storage"),
        ("its pictures are too large (9000x9000)", "limits"),
        ("its decoder crashed, or ran out of memory", "limits"),
        ("the playout process (stages: playout) was killed by SIGKILL", "crashed"),
        ("its process ended with exit code 1", "crashed"),
        ("the connection broke off", "closed"),
        ("the publisher went away", "closed"),
        ("its process sent an invalid message", "limits"),
        ("its decoder aborted, or ran out of memory", "limits"),
        ("the stream ended", "closed"),
        ("its decoder used 30 s of CPU time without producing a picture", "crashed"),
        ("the data is not a readable stream", "unreadable"),
        ("there is no video that can be decoded, but audio (aac)", "unreadable"),
        ("the playout process hangs: nothing was heard of it for 8 s", "hangs"),
        ("words that nobody has thought of", "other"),
    ],
)
def test_a_reason_is_of_a_kind(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind
    assert kind in KINDS
