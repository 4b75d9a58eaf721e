"""Deployment: Prometheus, Grafana, and private networks."""
