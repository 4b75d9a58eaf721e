"""Tests of projects that no one here wrote, with `zevm` in Anvil's place."""
