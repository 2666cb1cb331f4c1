from typing import Annotated, Literal

import pytest
from pydantic import Field

from sr4k.common.yaml_file import Section, SettingError, parsed


class Encode(Section):
    crf: Annotated[int, Field(ge=0, le=63)] = 20
    lanes: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    codec: Literal["h264", "hevc"] = "h264"
    rate: float = 1.0
    fast: bool = False
    options: dict[str, str] = Field(default_factory=dict)
    sizes: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)


class Preset(Section):
    description: str
    encode: Encode = Encode()
    channels: dict[str, Encode] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("encode: {crf: 3}", "p.yaml: description: is missing."),
        ("encode: {crff: 3}", "p.yaml: encode.crff: there is no such key: did you mean crf?"),
        ("channels: {news: {codecs: a}}", "p.yaml: channels.news.codecs: there is no such key: did you mean codec?"),
        ("zzz: 3", "p.yaml: zzz: there is no such key; the keys here are description, encode, channels."),
        ("encode: {crf: abc}", "p.yaml: encode.crf: must be a whole number."),
        ("encode: {crf: abc, codec: vp9}", "p.yaml: encode.crf: must be a whole number."),
        ("encode: {crf: 1.5}", "p.yaml: encode.crf: must be a whole number."),
        ("encode: {crf: 64}", "p.yaml: encode.crf: must be at most 63."),
        ("encode: {codec: vp9}", "p.yaml: encode.codec: must be one of h264 or hevc."),
        ("encode: {lanes: 0}", "p.yaml: encode.lanes: must be at least 1, or auto."),
        ("encode: {rate: fast}", "p.yaml: encode.rate: must be a number."),
        ("encode: {fast: maybe}", "p.yaml: encode.fast: must be true or false."),
        ("encode: {options: {tune: 3}}", "p.yaml: encode.options.tune: must be text."),
        ("encode: {sizes: []}", "p.yaml: encode.sizes: must not be empty."),
        ("encode: [1]", "p.yaml: encode: must be a mapping of keys."),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(text: str, words: str) -> None:
    described = text if "is missing" in words else f"description: d\n{text}"
    with pytest.raises(SettingError) as raised:
        parsed(Preset, described, "p.yaml")
    assert str(raised.value) == words
