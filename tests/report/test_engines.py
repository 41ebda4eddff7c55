"""The report's table of both engines: where both have runs, and nowhere else."""

import json
import re
import shutil
from html import unescape

from pypdf import PdfReader

from triplehead.report.build import build_report


def test_stands_where_both_engines_have_runs_and_nowhere_else(smoke, tmp_path):
    plan, results = smoke
    copy, out = tmp_path / "results", tmp_path / "report.pdf"
    shutil.copytree(results, copy)
    (spec,) = plan.specs["table5", "All"]
    scores = json.loads((copy / "runs" / spec.id / "scores.json").read_text())
    theirs = copy / "runs" / spec.with_engine("detectron2").id
    for there in (False, True):
        if there:
            theirs.mkdir()
            (theirs / "scores.json").write_text(json.dumps(scores | {"AP": scores["AP"] + 1.5}))
        build_report(plan, copy, out)
        pdf = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(out).pages))
        html = unescape(out.with_suffix(".html").read_text())
        assert ("Either engine, side by side" in pdf, 'id="engines"' in html) == (there, there)
    numbers = [f"{scores['AP']:.1f}", f"{scores['AP'] + 1.5:.1f}", "+1.5"]
    assert "T5: All" in pdf and " ".join(numbers) in pdf
    assert "F4: Ours" not in pdf.partition("Either engine, side by side")[2].partition("Environment and")[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html.partition('id="engines"')[2].partition("<h2")[0])
    assert (
        re.fullmatch(r"T\d: [^;]+(; T\d: [^;]+)*", cells[0])
        and "T5: All" in cells[0]
        and cells[1:] == [*numbers, "", "1"]
    )
