"""The proof that nothing is lost and nothing doubled: real processes, faults, and a checker of what was published.

A soft IOC changes its records by itself and writes down what each of them was (`ioc_process`). Two engines of one cell evaluate them.
Faults befall engines, brokers, IOCs and the lines between them (`faults`). An observer reads all topics, as committed and as not committed
(`observer`). In the end a pure checker (`checker`) compares what the IOC wrote down, what operators asked for and what was published.
`python -m tests.chaos --help` runs as many faults as you like.
"""
