"""Execution: the one adapter to py-evm, and what it lacks of the newer forks."""

from zevm.chain.vm.deferred import defer_unused_parts

defer_unused_parts()
