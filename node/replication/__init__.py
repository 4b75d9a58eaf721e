"""Replicas: a node serves its chain to followers, and a follower executes it again (`zvm-sync/1`)."""
