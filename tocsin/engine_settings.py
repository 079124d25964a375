"""What an engine is told of a configuration, and where it finds its PVs, as the settings of a site say."""

from __future__ import annotations

from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca import CaSettings, CaSource
from alarm_engine.sources.port import Source
from tocsin.settings import Settings
from tocsin.trees import Configuration


def runner_settings(settings: Settings, config: Configuration) -> RunnerSettings:
    """How one configuration is run."""
    engine = settings.engine
    return RunnerSettings(
        evaluator=EvaluatorSettings(
            config=config.name,
            connection_timeout_s=engine.connection_timeout_s,
            idle_s=engine.idle_s,
            nag_period_s=engine.nag_period_s,
            command_max_age_s=engine.command_max_age_s,
        ),
        zone=config.zone,
        monitor_values=engine.monitor == "values",
        intake_bound=engine.intake_bound,
        foreign_writer=engine.foreign_writer,
        events_keep_days=settings.history.journal_days,
    )


def channel_access(settings: Settings) -> Source:
    """Not started yet."""
    chosen = settings.channel_access
    return CaSource(CaSettings(chosen.addr_list, chosen.auto_addr_list, chosen.name_servers, chosen.server_timeout_s))
