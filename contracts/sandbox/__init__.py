"""A sandbox for compilers that run on sources of strangers."""
