"""Help, version, usage errors and shell completion of the commands."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.cli.stream_app import stream_app

BIN = Path(sys.executable).parent
PANELS = ("Output", "Picture", "Network", "Live streams", "Files", "Many machines", "Comparison and reports")


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below one, each with what it is called by."""
    yield names, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *names, name)


ALL = dict(commands(typer.main.get_command(app)))


def shown(*names: str) -> str:
    """Return the help of a command as one line, without its frames."""
    done = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.output).split())


def written(command: Any) -> list[str]:
    """Return the help texts of a command and of its options as their source means them."""
    texts = [command.help, *(param.help for param in command.params)]
    return [text.replace("\\[", "[") for text in texts if text]


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_nothing_in_square_brackets_is_taken_for_markup(names: tuple[str, ...]) -> None:
    found = shown(*names)
    brackets = [each for text in written(ALL[names]) for each in re.findall(r"\[[^\]]*\]", text)]
    assert [each for each in brackets if each not in found] == []
    assert "(extra )" not in found


def test_the_extras_that_commands_need_are_named() -> None:
    assert {"[eval]", "[fid]", "[train]", "[vmaf]"} <= {
        each for names in ALL for each in re.findall(r"\[[a-z]+\]", shown(*names))
    }


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_every_option_is_told_of_in_a_sentence_of_its_own(names: tuple[str, ...]) -> None:
    for param in ALL[names].params:
        assert param.help, param.name
        assert re.match(r"[A-Z][A-Za-z]+,? ", param.help), param.help
        assert not re.match(r"(Of|What|Which|Whether|Where|How|Its|Other) ", param.help), param.help
        assert param.help.endswith("."), param.help


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_the_usage_has_each_argument_in_one_pair_of_brackets(names: tuple[str, ...]) -> None:
    usage = shown(*names).partition("Usage:")[2].partition("[OPTIONS]")[2].split()[:4]
    assert not re.search(r"\[\[|\.\.\.[}\]]", " ".join(usage).partition("[ARGS]")[0]), usage


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_the_terminal_breaks_the_lines_of_help_and_not_its_source(names: tuple[str, ...]) -> None:
    assert all("\n" not in paragraph for paragraph in (ALL[names].help or "").split("\n\n"))


def test_a_value_that_is_none_of_the_choices_is_told_with_them() -> None:
    done = CliRunner().invoke(app, ["bench", "--part", "x"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "Invalid value for '--part': 'x' is not one of 'engine'," in done.output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ["stream", "a.mp4", "b.mp4", "--sharpness", "abc"],
            "Invalid value for '--sharpness': it must be a whole number, not 'abc'",
        ),
        (["train", "a", "--out", "b", "--steps", "0"], "Invalid value for '--steps': it must be at least 1, not '0'"),
        (["quantize", "a", "b", "--max-loss", "x"], "Invalid value for '--max-loss': it must be a number, not 'x'"),
        (["model", "bench", "luma", "--size", "4k"], "Invalid value for '--size': '4k' is not one of '540p',"),
    ],
)
def test_a_value_of_another_type_is_told_in_plain_words(args: list[str], words: str) -> None:
    done = CliRunner().invoke(app, args, env={"COLUMNS": "200"})
    assert (done.exit_code, words in done.output) == (2, True)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["stream", "a.mp4", "-e"], "error: Option '-e' requires an argument. See 'sr4k stream --help'."),
        (["stream", "a.mp4"], "error: Missing argument 'OUT'. See 'sr4k stream --help'."),
        (["--nope"], "error: No such option: --nope. See 'sr4k --help'."),
        (["nope"], "error: No such command 'nope'. See 'sr4k --help'."),
        (["model", "nope"], "error: No such command 'nope'. See 'sr4k model --help'."),
        (["engine", "nope"], "error: No such command 'nope'. See 'sr4k engine --help'."),
        (
            ["stream", "rtmp://in.example/live/secretkey", "b.mp4", "--crf", "rtmp://in.example/live/secretkey"],
            "error: Invalid value for '--crf': it must be a whole number, not 'rtmp://in.example/live/***'. "
            "See 'sr4k stream --help'.",
        ),
    ],
)
def test_a_usage_error_is_one_line_without_secrets(args: list[str], line: str) -> None:
    done = CliRunner().invoke(app, args, prog_name="sr4k")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"{line}\n")


def test_the_options_of_streams_are_in_panels() -> None:
    done = CliRunner().invoke(stream_app, ["--help"], env={"COLUMNS": "120"})
    titles = re.findall(r"╭─ ([^─]+) ─", done.output)
    assert titles == ["Arguments", "Options", *PANELS]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("command", [["sr4k"], ["sr4k-stream"], ["sr4k", "stream"]])
def test_both_commands_tell_their_version(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:], "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sr4k-stream {version('sr4k-stream')}\n"
    assert done.stderr == ""


@pytest.mark.parametrize("args", [["a.mp4"], ["a.mp4", "--quiet"], ["--size", "4k", "a.mp4"]])
def test_a_single_name_lacks_the_out_and_not_the_in(args: list[str]) -> None:
    done = CliRunner().invoke(stream_app, args)
    assert (done.exit_code, "Missing argument 'OUT'" in done.output) == (2, True)


def test_without_any_name_it_is_the_in_that_is_missing() -> None:
    assert "Missing argument 'IN'" in CliRunner().invoke(stream_app, ["--quiet"]).output


def test_brackets_in_what_was_typed_are_repeated_as_they_are() -> None:
    assert "--nope[bold]" in CliRunner().invoke(app, ["stream", "--nope[bold]"]).output
    done = CliRunner().invoke(app, ["stream", "[bold]a.mp4", "[red]b.mp4"])
    assert "[bold]a.mp4 does not exist" in done.output


COMPLETE = """
eval "$(_{variable}_COMPLETE=source_bash {command})"
function=$(complete -p {command} | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
COMP_WORDS=({words}) COMP_CWORD={last}
$function {command}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("command", "words", "found"),
    [
        ("sr4k-stream", ("--comp",), {"--compare", "--compare-layout"}),
        ("sr4k-stream", ("--fit", "''"), {"inside", "pad", "stretch"}),
        ("sr4k", ("mo",), {"model", "models"}),
    ],
)
def test_bash_completes_what_is_typed(command: str, words: tuple[str, ...], found: set[str]) -> None:
    variable = command.upper().replace("-", "_")
    script = COMPLETE.format(variable=variable, command=command, words=" ".join([command, *words]), last=len(words))
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": f"{BIN}:/usr/bin:/bin"}
    )
    assert {*done.stdout.split()} == found, done.stderr


@pytest.mark.slow(seconds=1)
def test_completion_is_installed_by_an_option(tmp_path: Path) -> None:
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}
    script = "sr4k-stream --install-completion && true"
    subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment)
    profile = (tmp_path / ".bashrc").read_text()
    ran = subprocess.run(
        ["bash", "-c", f"{profile}\ncomplete -p sr4k-stream"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert ran.stdout.startswith("complete -o default -F ")


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("command", ["sr4k-stream", "sr4k"])
def test_completion_that_can_not_be_installed_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / ".bashrc").mkdir()  # root may write to any file
    ran = subprocess.run(
        ["bash", "-c", f"{command} --install-completion; exit $?"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr == f"error: {tmp_path}/.bashrc can't be read or written (Is a directory).\n"
