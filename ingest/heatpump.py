"""Computes what the sensors of dummy heat pumps show: air-to-water machines with propane (R-290) that heat houses.

Seven fields hang together by the physics of a heat pump, so a fault may break a coupling while each field stays within
its range:

- *Weather and load.* Outdoor temperature swings with the day, and changes over days. A house loses heat in proportion
  to the difference between indoors and outdoors. The heating is lowered at night, and reheats the house in the morning,
  later at weekends. Twice a day the heat pump makes hot water.
- *Water.* Radiators give off heat by the power 1.3 of their excess temperature (EN 442), which sets the mean water
  temperature. The difference of supply and return is the heat over the flow: q = flow * 4.19 kJ/(kg K) * difference.
- *Refrigerant.* The condensing temperature lies some kelvins above the supply temperature, the evaporating temperature
  some kelvins below the air, more so with more heat and with frost. Both pressures are propane's saturation pressures.
- *Compressor.* Its power is the heat over the coefficient of performance, which is about half of Carnot's.
- *Modes.* With little load the compressor starts and stops. In cold, humid air the outdoor coil ices up, and is
  defrosted about once an hour for some minutes: the cycle is reversed, and takes its heat from the water.

A start-up ramps up over minutes, as the heat, the water and the pressures each follow with a lag of their own. Modes
and weather are explicit functions of time and the seed. Lags begin so long before a block of samples that a stretch of
time can be computed without the time before it.

Faults of the whole machine, beside those of single sensors:

- ``leak``: refrigerant is lost slowly, up to a share ``strength`` of its charge. The evaporating pressure, the heat
  and the coefficient of performance fall with the charge, and the condensing pressure falls a little.
- ``filter``: the water filter clogs up until the flow has lost the share ``strength``. Supply and return drift apart.
- ``valve``: the expansion valve is stuck, too far closed. The evaporating temperature is ``strength`` kelvins too low.

References:
- Propane's saturation pressure: Lemmon, McLinden and Wagner, "Thermodynamic Properties of Propane. III. A Reference
  Equation of State ...", J. Chem. Eng. Data 54 (2009) 3141-3180, its ancillary equation.
- Temperature differences in the machine, half of Carnot's coefficient, radiators: OpenEnergyMonitor, "A very simple
  heat pump model", github.com/emoncms/dynamic, docs/heatpumpmodel.md.
- Which figures a loss of refrigerant, a restriction of the liquid line and a poor flow move, and in which direction:
  Payne, Domanski and Yoon, "Heating Mode Performance Measurements for a Residential Heat Pump with Single-Faults
  Imposed", NIST (2009). The sizes here are round numbers of that order.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.grid import BLOCK, Array, from_blocks, generator, is_weekend
from ingest.process import REPLAY, SCHEDULES, Device, MoreKind, Process
from ingest.times import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from ingest.faults import Fault

FIELDS = (
    "supply_temperature",
    "return_temperature",
    "flow",
    "power",
    "high_pressure",
    "low_pressure",
    "outdoor_temperature",
)
"""Temperatures in degrees Celsius, the flow in litres a minute, the power in kW, absolute pressures in bar."""

SIGMA = np.array([0.08, 0.08, 0.12, 0.015, 0.06, 0.03, 0.1])

# Kelvins and hours: how the weather swings, over some days each.
_WEATHER_HOURS = np.array([41.0, 63.0, 94.0, 127.0, 185.0, 264.0])
_WEATHER_SWING, _MEAN_OUTDOORS, _DAILY_SWING = 1.5, 5.0, 3.0
# What the house does from minute to minute: hours, and the share of its load.
_LOAD_HOURS, _LOAD_SWING = np.array([0.43, 0.71, 1.13, 1.57]), 0.03

_HEAT_LOSS = 0.24  # kW for each kelvin between indoors and outdoors
_DAY_INDOORS, _NIGHT_INDOORS, _REHEAT = 20.5, 19.0, 1.2  # degrees, degrees, kW
_LEAST_HEAT, _HOT_WATER_HEAT, _DEFROST_HEAT = 3.4, 6.0, -3.0  # kW
_RATED_HEAT, _RATED_EXCESS, _RADIATOR_POWER = 7.0, 25.0, 1.3
_HOT_WATER_MEAN = 47.0
_LITRE = 4.19 / 60  # kW for each kelvin and litre a minute
_FLOW, _IDLE_FLOW = 18.0, 7.0
_EFFICIENCY = 0.48
# A slot is the time between two defrostings, or two half slots that begin with a start.
_SLOT_MS, _DEFROST_MS = 72 * MINUTE_MS, 5 * MINUTE_MS
_FROST_BELOW = 4.5
# Lags in milliseconds.
_HEAT_LAG, _WATER_LAG, _PRESSURE_LAG, _MOTOR_LAG, _FLOW_LAG = 100_000.0, 480_000.0, 40_000.0, 12_000.0, 6_000.0
# The first decision that is not known lies a slot back, and is forgotten then.
_WARM_UP_MS = 15 * _WATER_LAG + _SLOT_MS


def saturation_pressure(celsius: Array) -> Array:
    """Return propane's saturation pressure.

    Args:
        celsius: temperatures, from -40 to 90 degrees.

    Returns:
        Absolute pressures in bar, of the same shape.
    """
    critical_kelvin, critical_bar = 369.89, 42.512
    kelvin = celsius + 273.15
    theta = 1 - kelvin / critical_kelvin
    total = -6.7722 * theta + 1.6938 * theta**1.5 - 1.3341 * theta**2.2 - 3.1876 * theta**4.8 + 0.94937 * theta**6.2
    pressures: Array = critical_bar * np.exp(critical_kelvin / kelvin * total)
    return pressures


# Tells these streams of random numbers from those of the printers, whose keys are shorter.
_STREAM = (7,)


class HeatPump(Device):
    """One imaginary heat pump; the heat pumps of one seed share the weather, and nothing else."""

    fields = len(FIELDS)
    stream = _STREAM

    def level(self, begin: int, end: int, faults: "Sequence[Fault]" = ()) -> Array:
        """Return the values of ``FIELDS`` without the noise of the sensors, shape (end - begin, 7)."""
        machine = tuple(fault for fault in faults if fault.kind in _KINDS)
        return from_blocks(lambda block: _block(self, block, machine), begin, end, len(FIELDS))


class _Modes(NamedTuple):
    """What the controller does at n times.

    Attributes:
        runs: whether the compressor runs.
        defrosts: whether the cycle is reversed.
        heats_water: whether it makes hot water.
        frost: how much frost there is, from 0 to 1.
    """

    runs: NDArray[np.bool_]
    defrosts: NDArray[np.bool_]
    heats_water: NDArray[np.bool_]
    frost: Array


@lru_cache(maxsize=16)
def _block(pump: HeatPump, block: int, faults: "tuple[Fault, ...]") -> Array:
    """Return the values of a block of samples, shape (BLOCK, 7)."""
    warm_up = math.ceil(_WARM_UP_MS / pump.grid.step_ms)
    first = block * BLOCK
    times_ms = pump.grid.times_ms(first - warm_up, first + BLOCK)
    return _values(pump, times_ms, faults)[warm_up:]


def _values(pump: HeatPump, times_ms: NDArray[np.int64], faults: "tuple[Fault, ...]") -> Array:
    outdoor = _outdoor(pump, times_ms)
    load = _load(pump, times_ms, outdoor)
    modes = _modes(pump, times_ms, load, outdoor)
    leak, filter_, valve = (_progress(kind, times_ms, faults) for kind in _KINDS)
    step_ms = pump.grid.step_ms

    most_heat = _RATED_HEAT + 0.12 * outdoor
    heating = np.where(modes.heats_water, _HOT_WATER_HEAT, np.clip(load, _LEAST_HEAT, most_heat))
    weak = (1 - 0.35 * leak) * (1 - 0.02 * valve)
    asked = np.where(modes.defrosts, _DEFROST_HEAT, np.where(modes.runs, heating * weak, 0.0))
    heat = _lagged(asked, step_ms, _HEAT_LAG)
    runs = _lagged(modes.runs.astype(np.float64), step_ms, _MOTOR_LAG)

    busy = _FLOW * (0.8 + 0.2 * np.clip(load / _RATED_HEAT, 0, 1))
    flow = _lagged(np.where(modes.runs, busy, _IDLE_FLOW), step_ms, _FLOW_LAG) * (1 - filter_)
    excess = _RATED_EXCESS * (np.maximum(heat, 0.0) / _RATED_HEAT) ** (1 / _RADIATOR_POWER)
    mean = _lagged(np.where(modes.heats_water, _HOT_WATER_MEAN, _DAY_INDOORS + excess), step_ms, _WATER_LAG)
    half = heat / (2 * _LITRE * flow)
    supply, back = mean + half, mean - half

    useful = np.maximum(heat, 0.0)
    rest = outdoor + 3.0
    condensing = np.where(modes.defrosts, 14.0, supply + 1.5 + 0.5 * useful - 5.0 * leak)
    evaporating = np.where(modes.defrosts, -8.0, outdoor - 2.0 - 0.8 * useful - 3.5 * modes.frost - 14.0 * leak - valve)
    condensing = _lagged(np.where(modes.runs, condensing, rest), step_ms, _PRESSURE_LAG)
    evaporating = _lagged(np.where(modes.runs, evaporating, rest), step_ms, _PRESSURE_LAG)
    lift = np.maximum(condensing - evaporating, 12.0)
    performance = _EFFICIENCY * (condensing + 273.15) / lift * (1 - 0.5 * leak)
    power = 0.018 + runs * (0.06 + np.where(modes.defrosts, 0.9, useful / performance))
    return np.stack(
        [supply, back, flow, power, saturation_pressure(condensing), saturation_pressure(evaporating), outdoor], axis=1
    )


def _outdoor(pump: HeatPump, times_ms: NDArray[np.int64]) -> Array:
    """Return the outdoor temperature, shape (n,); all heat pumps of a seed have the same weather, but for a little."""
    phases = _phases(pump.seed, 0, len(_WEATHER_HOURS) + 2)
    hours = times_ms / HOUR_MS
    fronts = _WEATHER_SWING * np.sin(2 * math.pi * (hours[:, None] / _WEATHER_HOURS + phases[:-2])).sum(axis=1)
    clear = 0.7 + 0.3 * np.sin(2 * math.pi * (hours / 77.0 + phases[-2]))
    day = _DAILY_SWING * clear * np.cos(2 * math.pi * (hours - 15) / 24)
    site = 0.4 * np.sin(2 * math.pi * (hours / 5.3 + _phases(pump.seed, pump.number, 1)[0]))
    temperature: Array = _MEAN_OUTDOORS + fronts + day + site
    return temperature


def _load(pump: HeatPump, times_ms: NDArray[np.int64], outdoor: Array) -> Array:
    """Return the heat that the house asks for, kW, shape (n,)."""
    hour = (times_ms % DAY_MS) / HOUR_MS
    morning = np.where(is_weekend(times_ms), 7.5, 6.0)
    day = np.clip((hour - morning) * 3, 0, 1) * np.clip((22.5 - hour) * 3, 0, 1)
    reheating = np.clip((hour - morning) * 3, 0, 1) * np.clip(morning + 2.0 - hour, 0, 1)
    indoors = _NIGHT_INDOORS + (_DAY_INDOORS - _NIGHT_INDOORS) * day
    phases = _phases(pump.seed, pump.number, 1 + len(_LOAD_HOURS))[1:]
    waves = np.sin(2 * math.pi * (times_ms[:, None] / HOUR_MS / _LOAD_HOURS + phases)).sum(axis=1)
    load: Array = np.maximum(_HEAT_LOSS * (indoors - outdoor), 0.0) * (1 + _LOAD_SWING * waves) + _REHEAT * reheating
    return load


def _modes(pump: HeatPump, times_ms: NDArray[np.int64], load: Array, outdoor: Array) -> _Modes:
    """Return what the controller does at each time; it decides at the begin of a slot, or of a half one."""
    step_ms = pump.grid.step_ms
    offset_ms = int(_phases(pump.seed, pump.number, 6)[5] * _SLOT_MS)
    half_ms = _SLOT_MS // 2
    since = (times_ms + offset_ms) % _SLOT_MS
    since_half = since % half_ms

    def at_begin(values: Array, since_ms: NDArray[np.int64]) -> Array:
        # A slot that began before the first time is judged by that.
        decided: Array = values[np.maximum(np.arange(len(values)) - since_ms // step_ms, 0)]
        return decided

    share = np.clip(at_begin(load, since_half) / _LEAST_HEAT, 0.0, 1.0)
    share = np.where(share < 0.15, 0.0, np.where(share > 0.85, 1.0, np.maximum(share, 0.35)))
    heats_water = _heats_water(pump, times_ms)
    runs = (since_half < share * half_ms) | heats_water
    icy = at_begin(outdoor, since) < _FROST_BELOW
    lasts_ms = _DEFROST_MS * np.clip(1.1 - 0.03 * at_begin(outdoor, since), 0.7, 1.6)
    defrosts = icy & runs & ~heats_water & (since >= _SLOT_MS - lasts_ms)
    frost = np.where(icy & ~defrosts, since / _SLOT_MS, 0.0)
    return _Modes(runs, defrosts, heats_water, frost)


def _heats_water(pump: HeatPump, times_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
    heats = np.zeros(len(times_ms), dtype=np.bool_)
    for day in range(int(times_ms[0] // DAY_MS), int(times_ms[-1] // DAY_MS) + 1):
        early, late, long = _chances(pump.seed, pump.number, day)
        for hour, chance in ((4.75, early), (17.25, late)):
            begin_ms = day * DAY_MS + int((hour + 0.7 * chance) * HOUR_MS)
            heats |= (times_ms >= begin_ms) & (times_ms < begin_ms + (28 + int(14 * long)) * MINUTE_MS)
    return heats


def _progress(kind: str, times_ms: NDArray[np.int64], faults: "tuple[Fault, ...]") -> Array:
    """Return how strong the faults of a kind are at each time, shape (n,), in the unit of their strength."""
    strength = np.zeros(len(times_ms))
    for fault in faults:
        if fault.kind == kind:
            share = (times_ms - fault.begin_ms) / (fault.end_ms - fault.begin_ms)
            # A valve is stuck at once; refrigerant is lost, and a filter clogs up, as time goes on.
            part = np.ones(len(times_ms)) if kind == "valve" else share
            strength += fault.strength * np.where((share >= 0) & (share < 1), part, 0.0)
    return strength


def _lagged(values: Array, step_ms: int, lag_ms: float) -> Array:
    """Return values that follow others with a lag of the first order, shape (n,)."""
    memory = math.exp(-step_ms / lag_ms)
    gain = 1 - memory
    start = float(values[0])
    follow = accumulate(values.tolist(), lambda now, value: memory * now + gain * value, initial=start)
    return np.array(list(follow)[1:])


@lru_cache(maxsize=64)
def _phases(seed: int, number: int, count: int) -> Array:
    return generator(seed, number, 0, 0, *_STREAM).random(8)[:count]


@lru_cache(maxsize=256)
def _chances(seed: int, number: int, day: int) -> tuple[float, float, float]:
    early, late, long = generator(seed, number, day, 1, *_STREAM).random(3).tolist()
    return early, late, long


_MORE_KINDS = (
    MoreKind("leak", "the share of the refrigerant that is lost in the end", 0.9),
    MoreKind("filter", "the share of the flow that is lost in the end", 0.8),
    MoreKind("valve", "kelvins by which the evaporating temperature is too low", 20.0),
    REPLAY,
)
_KINDS = tuple(kind.name for kind in _MORE_KINDS if kind.of_device)

HEAT_PUMPS = Process(
    name="heatpump",
    title="heat pumps",
    measurement="heating",
    step_ms=10_000,
    history_ms=14 * DAY_MS,
    fields=FIELDS,
    sigma=SIGMA,
    least=np.array([-np.inf, -np.inf, 0.0, 0.0, 0.0, 0.0, -np.inf]),
    device=HeatPump,
    more_kinds=_MORE_KINDS,
    schedules=SCHEDULES / "heatpump",
)
"""The dummy heat pumps."""
