"""The optional part of the build: the core's extension (core/build.py). All else is in pyproject.toml."""

import os
import sys
from pathlib import Path
from runpy import run_path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDER = Path("zevm/core")
# by path: to import the package is to load the core, which may be required and is not there yet
_build, _loading = (run_path(str(FOLDER / name)) for name in ("build.py", "loading.py"))
BuildError, build, chosen_target, PLATFORMS = (
    _build[name] for name in ("BuildError", "build", "chosen_target", "PLATFORMS")
)
NO_CORE, REQUIRE_CORE, is_set = (_loading[name] for name in ("NO_CORE", "REQUIRE_CORE", "is_set"))


class BuildCore(build_ext):
    """Compiles the core, or leaves it out and says why."""

    def run(self) -> None:
        """Build what can be built."""
        try:
            if self.extensions and is_set(os.environ, NO_CORE):
                raise BuildError(f"{NO_CORE} is set")
            super().run()
        except BuildError as error:
            if is_set(os.environ, REQUIRE_CORE):
                raise SystemExit(f"zevm: {REQUIRE_CORE} is set, but there is no core: {error}") from error
            print(f"zevm: built without the core, which makes it slower: {error}", file=sys.stderr)
            self.extensions = self.distribution.ext_modules = []

    def build_extension(self, ext: Extension) -> None:
        """Compile the one extension."""
        build(Path(self.get_ext_fullpath(ext.name)).resolve(), chosen_target())


class Wheel(bdist_wheel):
    """A wheel for any Python from 3.11 on, of this system where it has the core, else of all."""

    def finalize_options(self) -> None:
        """Build first: whether there is a core decides what the wheel is called, and how it is laid out."""
        self.run_command("build_ext")
        if self.distribution.ext_modules:
            self.py_limited_api = "cp311"
            target = chosen_target()
            if target is not None:
                self.plat_name = PLATFORMS[target]
        super().finalize_options()


setup(
    ext_modules=[Extension("zevm.core._core", [str(FOLDER / "zig" / "module.zig")], py_limited_api=True)],
    cmdclass={"build_ext": BuildCore, "bdist_wheel": Wheel},
)
