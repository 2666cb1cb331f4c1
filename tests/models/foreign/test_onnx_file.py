"""ONNX files from anywhere are checked before anything relies on them; each fault is told in one line."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from foreign_networks import convolutions
from onnx import external_data_helper, helper

from sr4k.errors import OptionError
from sr4k.models.foreign import onnx_file
from sr4k.models.foreign.onnx_file import parameters, read_graph


def changed(path: Path, number: int = 0) -> tuple[onnx.ModelProto, onnx.TensorProto]:
    model = onnx.load(convolutions(path))
    return model, model.graph.initializer[number]


def refused(path: Path, said: str, *, beside: bool = False) -> None:
    with pytest.raises(OptionError, match=said) as told:
        read_graph(path, beside=beside)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_a_network_is_read_with_all_its_weights(tmp_path: Path) -> None:
    model = read_graph(convolutions(tmp_path / "net.onnx", layers=1, scale=1))
    assert parameters(model) == 3 * 3 * 9 + 3 + 1


@pytest.mark.parametrize("content", [b"", b"a picture of a cat", b"\x00" * 1000, b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    refused(tmp_path / "net.onnx", "no ONNX file")


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:-500])
    refused(path, "can't be decoded|no ONNX|no valid|isn't all there")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "can't be read")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", "no file")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "net.onnx").open("wb") as file:
        file.truncate(onnx_file.MOST_BYTES + 1)  # a hole
    refused(tmp_path / "net.onnx", "too large")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    model, tensor = changed(tmp_path / "net.onnx")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[5] = value
    tensor.raw_data = values.tobytes()
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refused(tmp_path / "net.onnx", "not finite")


@pytest.mark.parametrize("dims", [[10**9, 10**9, 3, 3], [8, 3, 3, 4], [-1, 3, 3, 3]])
def test_a_tensor_that_is_not_as_large_as_it_says_is_refused(dims: list[int], tmp_path: Path) -> None:
    model, tensor = changed(tmp_path / "net.onnx")
    del tensor.dims[:]
    tensor.dims.extend(dims)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refused(tmp_path / "net.onnx", "isn't all there")


def test_operators_of_others_are_refused(tmp_path: Path) -> None:
    model, _ = changed(tmp_path / "net.onnx")
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refused(tmp_path / "net.onnx", r"operators of com\.example")


def apart(path: Path, location: str) -> None:
    """Write a network whose first weights lie in another file."""
    model, tensor = changed(path)
    (path.parent / "weights.bin").write_bytes(tensor.raw_data)
    external_data_helper.set_external_data(tensor, location)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "none.bin", "link.bin"])
def test_weights_are_not_read_from_outside_the_folder(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    apart(folder / "net.onnx", location)
    (tmp_path / "weights.bin").write_bytes((folder / "weights.bin").read_bytes())
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    refused(folder / "net.onnx", "no file beside it", beside=True)


def test_weights_beside_it_are_taken_in_where_that_is_asked_for(tmp_path: Path) -> None:
    whole = onnx.load(convolutions(tmp_path / "net.onnx"))
    apart(tmp_path / "net.onnx", "weights.bin")
    refused(tmp_path / "net.onnx", "weights in other files")
    model = read_graph(tmp_path / "net.onnx", beside=True)
    assert model.graph.initializer[0].raw_data == whole.graph.initializer[0].raw_data
    (tmp_path / "weights.bin").write_bytes(b"little")
    refused(tmp_path / "net.onnx", "isn't all there", beside=True)
