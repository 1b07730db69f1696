"""Results as line protocol."""

from anomaly.influxdb.lines import line
from anomaly.scoring.results import Result


def test_a_line_keeps_every_type_and_every_digit() -> None:
    tags = {"pipeline": "p", "room": "a b,c=d\\e", "floor": ""}
    result = Result("score", tags, 12, {"x y": 0.1 + 0.2, "n": 3, "ok": True, "text": 'say "a\\b"'})
    assert line(result) == (
        r'score,pipeline=p,room=a\ b\,c\=d\e x\ y=0.30000000000000004,n=3i,ok=true,text="say \"a\\b\"" 12'
    )
