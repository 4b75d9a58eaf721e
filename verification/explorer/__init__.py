"""Campaigns against the explorer."""
