"""The table of compiled kernels: what is read from a cubin."""

import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import kernel_report

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_products_of_one_launch_are_counted_as_its_source_unrolls_them() -> None:
    made = kernel_report.at_once("luma", 90)
    assert made is not None
    shared, _, counted = made
    head, body, tail, bicubic = 4, 9 * 4 * 4, 9 * 2, 3 * 4
    assert counted.kinds["products"] == head + body + tail + bicubic
    assert counted.stack == 0
    assert shared < 99 << 10
    assert sum(counted.kinds.values()) < counted.instructions


def test_networks_that_do_not_fit_have_no_row_for_one_launch() -> None:
    assert kernel_report.at_once("luma-large", 90) is None
    assert kernel_report.at_once("rcan2", 90) is None


def test_the_page_says_that_nothing_was_run() -> None:
    counted = kernel_report.Counted(10, 0, 100, dict.fromkeys(("products", "copies", "floats"), 1))
    page = kernel_report.as_page([kernel_report._row("a kernel", 90, 512, counted, "0.1-0.2")])
    assert "compiled and not run" in page
    assert "| a kernel | sm_90 | 10 | 0 | 512 | 100 | 1 | 1 | 1 | 0.1-0.2 |" in page
