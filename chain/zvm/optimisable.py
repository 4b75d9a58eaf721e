"""Whether optimised code of a module is sure to fit the native stack.

Stack words bound the frames of unoptimised code: it keeps locals and operands, and nothing else, across a call. The
optimiser also keeps results that it would otherwise compute again, as many as a function computes. A function that
calls itself, with few words and many results, then leaves the native stack before its words run out, which is a
fault of the node, and only where the function is hot. So a module that could is never optimised.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from chain.zvm.binary import Module
from chain.zvm.shape import Shape

KEPT_ONCE = 65_536
"""Results that all functions together may keep which cannot be open twice: 16 bytes each make 1 MiB."""
KEPT_PER_WORD = 2
"""Results for each stack word of any other function: 65,536 words make 2 MiB. The native stack has 4 MiB."""


def is_optimisable(module: Module, shapes: Sequence[Shape], frame_words: Sequence[int]) -> bool:
    """Shapes and stack words are those of the module's functions, in order."""
    recursive = _recursive(module, shapes)
    once, first = 0, len(module.imports)
    for position, (shape, words) in enumerate(zip(shapes, frame_words, strict=True)):
        if first + position not in recursive:
            once += shape.kept
        elif shape.kept > KEPT_PER_WORD * words:
            return False
    return once <= KEPT_ONCE


def _recursive(module: Module, shapes: Sequence[Shape]) -> set[int]:
    """Functions that may be open twice, by index, and those between two of them."""
    calls: list[tuple[int, int]] = []
    types = {signature: -1 - module.types.index(signature) for signature in module.types}
    for function, shape in enumerate(shapes, len(module.imports)):
        calls += ((function, callee) for callee in shape.calls)
        calls += ((function, types[module.types[index]]) for index in shape.indirect)
    in_table = {index for element in module.elements for index in element.functions}
    calls += ((types[module.signature(index)], index) for index in in_table)
    return _without_leaves(calls) & _without_leaves((callee, caller) for caller, callee in calls)


def _without_leaves(calls: Iterable[tuple[int, int]]) -> set[int]:
    """What is left of the callers when those that call nothing are removed, again and again."""
    callers: defaultdict[int, list[int]] = defaultdict(list)
    left: defaultdict[int, int] = defaultdict(int)
    for caller, callee in calls:
        callers[callee].append(caller)
        left[caller] += 1
    leaves = [callee for callee in callers if callee not in left]
    while leaves:
        for caller in callers[leaves.pop()]:
            left[caller] -= 1
            if not left[caller]:
                leaves.append(caller)
    return {function for function, count in left.items() if count}
