"""The form of a backtest's page, which makes marks of what people say of periods."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from xml.etree import ElementTree


def test_the_page_takes_what_periods_were(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """What can be chosen of a period is a mark, as the next backtest shows that takes feedback for the truth."""
    page = tmp_path / "r.html"
    assert run("--report", str(page))[0] == 0
    body = page.read_text()
    ElementTree.fromstring(body[body.index("<body>") : body.index("</html>")])  # noqa: S314
    choices = re.findall(r'<select class="judge".*?</select>', body)
    lines = [dict(re.findall(r'<option value="([^"]*)">([^<]*)</option>', choice)) for choice in choices]
    assert [list(each.values()) for each in lines] == [["…", "false alarm", "true anomaly", "maintenance"]] * 2
    assert body.count('<form class="judge"') == 1
    false, true = (
        next(unescape(line) for line, name in each.items() if name == wanted)
        for each, wanted in zip(lines, ("false alarm", "true anomaly"), strict=True)
    )
    content = json.loads(run("--labels", "feedback", "--json", feedback=[false, true])[1])
    assert (content["known_false"], content["repeated"], content["labelled"], content["found"]) == (1, 1, 1, 1)


def test_a_page_on_which_nothing_can_be_said_has_no_form(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    page = tmp_path / "r.html"
    assert run("--labels", str(tmp_path / "labels.csv"), "--report", str(page))[0] == 0
    assert 'class="judge"' not in page.read_text()
