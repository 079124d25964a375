"""Files that Grafana reads at its start: datasources and dashboard providers."""
