"""Probes of coverage: slipcover's, kept on disk, and jumped over once they were reached.

CPython 3.11 needs them; from 3.12 on slipcover uses sys.monitoring instead. To put them into the code takes seconds of
processor time, which each worker of pytest-xdist would spend on the same files.
"""

import ast
import dis
import marshal
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fcntl import LOCK_EX, flock
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType

from slipcover import Slipcover, probe
from slipcover.branch import preinstrument
from slipcover.importer import SlipcoverLoader
from slipcover.version import __version__

Label = int | tuple[int, int]
"""A line, or the two ends of a branch."""

_KEPT = -1
"""slipcover removes no probes: it would stop all threads and look at all modules."""

_NOP = dis.opmap["NOP"]
_LOAD_CONST = dis.opmap["LOAD_CONST"]

_BASE = b""
_BASE_ADDRESS = id(_BASE) + bytes.__basicsize__ - 1
"""Offset of the content of a bytes object: its last byte is a terminating zero."""

_FORM = sha256(MAGIC_NUMBER + __version__.encode() + Path(__file__).read_bytes()).digest()
"""Checksum of all that decides, with the source, which code is kept."""


class Probes:
    """Tells which lines and branches were reached. `folder`: where the code of files is kept with its probes."""

    def __init__(self, folder: Path) -> None:
        self.newly_seen: dict[str, set[Label]] = defaultdict(set)  # by file; slipcover's probes know it by this name
        self.code_branches: dict[str, set[tuple[int, int]]] = defaultdict(set)  # all of each file that was loaded
        self._folder = folder
        self._codes: list[CodeType] = []  # a probe writes into its code: none goes away while the process lives
        folder.mkdir(parents=True, exist_ok=True)

    def code_of(self, file: Path) -> CodeType:
        """The code of a module with probes."""
        code = self._probed(marshal.loads(self.keep(file)))
        self._codes.append(code)
        return code

    def keep(self, file: Path) -> bytes:
        """Prepare the code of a module, unless it is kept. What others prepare at the same time is waited for."""
        source = file.read_bytes()
        key = _FORM + str(file).encode() + source
        with (self._folder / "-".join(file.parts[1:])).open("a+b") as kept:
            flock(kept, LOCK_EX)
            kept.seek(0)
            digest, content = kept.read(sha256().digest_size), kept.read()
            if digest != sha256(key + content).digest():
                content = marshal.dumps(_prepared(file, source))
                kept.truncate(0)
                kept.write(sha256(key + content).digest() + content)
        return content

    def _probed(self, code: CodeType) -> CodeType:
        *constants, (signal, places) = code.co_consts
        constants = [self._probed(constant) if isinstance(constant, CodeType) else constant for constant in constants]
        constants[signal] = probe.signal
        for argument in {argument for _, argument in places}:
            if isinstance(constants[argument], tuple):
                self.code_branches[code.co_filename].add(constants[argument])
            constants[argument] = probe.new(self, code.co_filename, constants[argument], _KEPT)
        probed = code.replace(co_consts=tuple(constants))
        # Slipcover's own way (`immediate`) changes a copy of the instructions, which CPython 3.11 does not run. Where a
        # branch stands twice, as in `finally`, both places call one probe, and the last is jumped over.
        begin = id(probed) + CodeType.__basicsize__ - _BASE_ADDRESS
        for offset, argument in places:
            probe.set_immediate(constants[argument], _BASE, begin + offset)
        return probed


class ProbedLoader(SlipcoverLoader):  # type: ignore[misc]
    """Executes a module's code with probes."""

    def exec_module(self, module: ModuleType) -> None:
        exec(self.sci.code_of(self.origin), module.__dict__)


def _prepared(file: Path, source: bytes) -> CodeType:
    """The code with places for probes: where one belongs, a constant is its label."""
    tool = Slipcover(branch=True, d_miss_threshold=_KEPT, exclude_lines=[])
    code = compile(preinstrument(ast.parse(source)), str(file), "exec")
    # as if it were part of itself: slipcover lists the lines of what is part of nothing, a third of its time
    return _without_probes(tool.instrument(code, code), tool.code2index)


def _without_probes(code: CodeType, offsets: Mapping[CodeType, list[tuple[int, Label]]]) -> CodeType:
    """Put labels into the places of probes; the last constant, slipcover's mark, tells where the probes belong."""
    constants = list(code.co_consts)
    signal = next(number for number, constant in enumerate(constants) if constant is probe.signal)
    places = []
    for offset, label in offsets[code]:
        function, argument = _constants_of(code.co_code, offset)
        assert function == signal
        constants[argument] = label
        places.append((offset, argument))
    constants = [
        _without_probes(constant, offsets) if isinstance(constant, CodeType) else constant for constant in constants
    ]
    constants[signal] = None
    constants[-1] = (signal, tuple(places))
    return code.replace(co_consts=tuple(constants))


def _constants_of(instructions: bytes, offset: int) -> Iterator[int]:
    """The numbers of the constants that a probe's call has.

    It is NOP, which the probe makes a jump behind itself, PUSH_NULL, loads of its function and its argument, a call.
    """
    assert instructions[offset] == _NOP
    number = 0
    for position in range(offset + 4, len(instructions), 2):
        number = number << 8 | instructions[position + 1]
        if instructions[position] == _LOAD_CONST:
            yield number
            number = 0
        elif instructions[position] != dis.EXTENDED_ARG:
            return
