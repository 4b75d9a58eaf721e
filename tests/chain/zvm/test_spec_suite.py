"""WebAssembly's own tests, run on instrumented modules.

From $WASM_SPEC_TESTS, a folder of `.wast` files such as a checkout of the official suite (wast2json must be on the path
or installed by the script), and from what scripts/install_spec_tests.sh got.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.chain.zvm.spec_suite import run_scripts

INSTALLED = Path(__file__).with_name("spec_tests")
GIVEN = os.environ.get("WASM_SPEC_TESTS")
FEWEST_MODULES, FEWEST_ASSERTIONS = 200, 3_000
"""Fewer mean that the scripts were not read as they should."""


@pytest.mark.lengthy
@pytest.mark.parametrize("folder", [INSTALLED, *([Path(GIVEN)] if GIVEN else [])], ids=lambda folder: folder.name)
def test_the_specification_holds_behind_the_instrumentation(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wast2json = shutil.which("wast2json", path=f"{INSTALLED}{os.pathsep}{os.environ.get('PATH', '')}")
    if wast2json is None or not folder.is_dir():
        pytest.skip(f"no test scripts or wast2json in {folder.name}: run scripts/install_spec_tests.sh")
    tally = run_scripts(folder, wast2json, tmp_path)
    with capsys.disabled():
        print(f"\n{folder.name}: {tally}")
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.modules >= FEWEST_MODULES
    assert sum(tally.passed.values()) >= FEWEST_ASSERTIONS
