"""How bytes come in and go out: HTTP, WebSocket, IPC, the consensus client's port, and who may use them."""
