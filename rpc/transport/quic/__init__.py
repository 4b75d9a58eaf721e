"""Post-quantum QUIC: one UDP port, whose protocols ALPN tells apart. Nothing here is imported without --quic-port."""
