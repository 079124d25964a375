"""The datasource: live and past alarms over HTTP."""
