"""Transports: HTTP, WebSocket, IPC, the consensus client's port, and their access rules."""
