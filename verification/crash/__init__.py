"""Kills, damages and full disks, compared with a model of what was acknowledged."""
