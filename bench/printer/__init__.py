"""How good the default pipeline is on printers whose faults are known, by the code that serves, without a stack.

Each seed has two printers, a clean day to train on, days with every kind of fault on one field and on all, short and
long, and clean days for false alarms. `make bench-printer` prints what was found, and writes it to build/bench/.
`faults` has the faults, and `seeds` trains, replays and compares one seed.
"""
