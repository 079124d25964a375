"""The live table of alarms in a terminal: what `tocsin alarms` shows there."""
