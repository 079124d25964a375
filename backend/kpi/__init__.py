"""Alarm performance figures (ISA-18.2, IEC 62682) as pure functions over events.

Events become one `Summary` per 10 minutes (`accumulator`), summaries can be merged, stored and read back (`summary`, `encoding`), and
any range of them is answered as `Figures` with targets and verdicts (`figures`). What each figure means: `definitions` and
`docs/explanations/alarm-figures.md`.
"""
