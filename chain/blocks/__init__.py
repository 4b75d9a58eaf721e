"""Blocks in the making: context, selection, execution, mining, and the checks of blocks from elsewhere."""
