"""Questions about live and past alarms, answered as flat rows: what Grafana's panels are made of."""
