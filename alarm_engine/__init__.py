"""The alarm engine: the domain of alarms and the service that evaluates process variables."""
