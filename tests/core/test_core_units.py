"""The tests that stand in the core's own files."""

import re
import subprocess
from pathlib import Path

import pytest

from zevm.core.build import SOURCES, BuildError, compiler

UNITS = "units.zig"


def test_every_file_with_tests_is_named() -> None:
    with_tests = {file.name for file in SOURCES.glob("*.zig") if re.search(r'^test "', file.read_text(), re.MULTILINE)}
    assert set(re.findall(r'@import\("(.*?)"\)', (SOURCES / UNITS).read_text())) == with_tests


@pytest.mark.slow
def test_the_tests_in_the_files_pass(tmp_path: Path) -> None:
    try:
        command = [*compiler(), "test", UNITS, "--cache-dir", str(tmp_path)]
    except BuildError as error:
        pytest.skip(str(error))
    finished = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "tests passed" in finished.stderr
