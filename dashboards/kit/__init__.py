"""Panels, targets, layout, palette: what dashboards are made of."""
