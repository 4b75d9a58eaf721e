"""Profiles for speedscope (https://www.speedscope.app/file-format-schema.json): one of gas and one of time."""

from collections.abc import Sequence
from typing import Any

from zevm.analysis.profile.stacks import Stack, Unit

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_UNITS: tuple[tuple[Unit, str], ...] = (("gas", "none"), ("time", "nanoseconds"))


def speedscope_document(stacks: Sequence[Stack], name: str) -> dict[str, Any]:
    """The document of a profile: each stack is a sample with its own use as its weight."""
    frames: dict[tuple[str, str], int] = {}
    paths: list[list[int]] = []
    for stack in stacks:
        index = frames.setdefault((stack.title, stack.file), len(frames))
        paths.append([*([] if stack.parent is None else paths[stack.parent]), index])
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "zEVM",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": title} | ({"file": file} if file else {}) for title, file in frames]},
        "profiles": [_sampled(stacks, paths, unit, unit_name) for unit, unit_name in _UNITS],
    }


def _sampled(stacks: Sequence[Stack], paths: Sequence[list[int]], unit: Unit, unit_name: str) -> dict[str, Any]:
    used = [(path, stack.self_of(unit)) for path, stack in zip(paths, stacks, strict=True) if stack.self_of(unit)]
    return {
        "type": "sampled",
        "name": unit,
        "unit": unit_name,
        "startValue": 0,
        "endValue": sum(weight for _, weight in used),
        "samples": [path for path, _ in used],
        "weights": [weight for _, weight in used],
    }
