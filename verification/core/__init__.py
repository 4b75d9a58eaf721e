"""Campaigns against the native core: random input in Zig's debug mode."""
