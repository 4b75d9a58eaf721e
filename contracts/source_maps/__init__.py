"""From a place in deployed code to the function, file and line that it was compiled from."""

from zevm.contracts.source_maps.source_map import Place, SourceMap

__all__ = ["Place", "SourceMap"]
