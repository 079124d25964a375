"""Grafana dashboards, generated from the alarm tree."""
