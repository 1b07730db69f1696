"""How good the default pipeline and its members are on heat pumps whose faults are known, without a stack.

Each seed has two heat pumps, two weeks to train on, days with every kind of fault, and clean days for false alarms.
`make bench-heatpump` prints what was found, and writes it to build/bench/.
"""
