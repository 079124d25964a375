"""What would have happened with other settings: recorded history of an alarm through the real evaluator, judged.

`gather` reads a `Recording` from a history store, `replay` plays it with any settings, `outcome` counts what came of it, `comparison`
sets two outcomes side by side, `proposals` looks for the smallest change that quiets a nuisance alarm. What the words mean, and what
a history cannot tell: `docs/how-to/tune-a-nuisance-alarm.md`.
"""
