"""Contracts and executions explained: names, decoded calls, profiles, and weaknesses.

Readers of compiled code and of traces; nothing here changes what an execution does.
"""
