"""What training, backtest and comparison raise where the data are not fit for what was asked."""


class Refused(Exception):
    """The data are not fit for what was asked; the message says why and what to do."""
