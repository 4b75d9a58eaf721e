"""Kills of leaders and followers, compared with what was acknowledged."""
