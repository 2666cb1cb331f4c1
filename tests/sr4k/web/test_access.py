"""Who may use the service: addresses, tokens and names of hosts."""

from pathlib import Path

import pytest

from sr4k.errors import OptionError
from sr4k.web.access import Access, Sessions, access_of

OPERATE, VIEW = "operate-0123456789abcdef", "view-0123456789abcdef"


def test_loopback_needs_no_token() -> None:
    assert access_of("127.0.0.1:8484", {}).is_loopback and access_of("[::1]:8484", {}).is_loopback


@pytest.mark.parametrize("listen", [":8484", "0.0.0.0:8484", "192.168.1.7:8484", "[::]:8484", "nas.example:8484"])
def test_other_addresses_are_refused_without_a_token(listen: str) -> None:
    with pytest.raises(OptionError, match="SR4K_TOKEN"):
        access_of(listen, {})
    with pytest.raises(OptionError, match="SR4K_TOKEN"):
        access_of(listen, {"SR4K_VIEW_TOKEN": VIEW})
    assert access_of(listen, {"SR4K_TOKEN": OPERATE}).role_of(OPERATE) == "operate"


def test_a_name_by_which_a_proxy_lets_others_in_is_refused_without_a_token() -> None:
    with pytest.raises(OptionError, match=r"reached as video\.example needs a token.*SR4K_TOKEN"):
        access_of("127.0.0.1:8484", {}, names=("Video.example",))
    assert access_of("127.0.0.1:8484", {"SR4K_TOKEN": OPERATE}, names=("Video.example",)).is_own_name("video.example")


def test_short_and_equal_tokens_are_refused() -> None:
    with pytest.raises(OptionError, match="too short"):
        access_of("127.0.0.1:8484", {"SR4K_TOKEN": "secret"})
    with pytest.raises(OptionError, match="equal"):
        access_of("127.0.0.1:8484", {"SR4K_TOKEN": OPERATE, "SR4K_VIEW_TOKEN": OPERATE})


def test_tokens_of_a_file_are_used_if_nobody_else_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{OPERATE}\n{VIEW}\n")
    file.chmod(0o644)
    with pytest.raises(OptionError, match="chmod 600"):
        access_of(":8484", {}, token_file=file)
    file.chmod(0o600)
    found = access_of(":8484", {}, token_file=file)
    assert [found.role_of(token) for token in (OPERATE, VIEW, "another", "")] == ["operate", "view", None, None]
    with pytest.raises(OptionError, match="Can't read the token"):
        access_of(":8484", {}, token_file=tmp_path / "none")


def test_no_text_of_an_access_shows_its_tokens() -> None:
    assert OPERATE not in repr(Access(tokens={"operate": OPERATE}))


def test_names_of_hosts_that_may_lead_here_from_elsewhere_are_refused() -> None:
    inside = Access()
    assert all(inside.is_own_name(name) for name in ("localhost:8484", "127.0.0.1:1", "[::1]:8484", "LOCALHOST"))
    assert not any(inside.is_own_name(name) for name in ("evil.example", "127.0.0.1.evil.example:8484", "10.0.0.1", ""))
    outside = Access(host="0.0.0.0", tokens={"operate": OPERATE}, names=frozenset({"video.example"}))
    assert all(outside.is_own_name(name) for name in ("10.0.0.1:8484", "video.example", "Video.Example:443"))
    assert not outside.is_own_name("evil.example")


def test_sessions_outlive_the_process_and_end_with_their_token() -> None:
    access = Access(tokens={"operate": OPERATE, "view": VIEW})
    cookies = {role: Sessions(access).begin(role) for role in access.tokens}
    again, changed = Sessions(access), Sessions(Access(tokens={"operate": OPERATE + "x"}))
    assert {role: again.role_of(cookie) for role, cookie in cookies.items()} == {"operate": "operate", "view": "view"}
    assert changed.role_of(cookies["operate"]) is None
    assert again.role_of(cookies["view"][:-2] + "xx") is None and again.role_of("") is None
