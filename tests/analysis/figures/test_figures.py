"""Every figure of the plan is drawn from its files alone, well-formed, and the same bytes each time."""

import io
import os
import subprocess
import sys

import pytest
from PIL import Image
from pypdf import PdfReader

from triplehead.analysis.figures import FIGURES, caption, figures, inputs, overviews, source, write_figure
from triplehead.analysis.figures.style import save
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

NAMES = sorted(FIGURES)


def linked(plan, name, results, place):
    """A results folder with nothing but what the figure says it reads (and the data beside their manifests)."""
    for file in inputs(plan, name):
        target = results / file
        link = place / file
        if target.name == "manifest.json":
            target, link = target.parent, link.parent
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return place


def test_the_plan_has_every_figure_of_the_paper_and_ours():
    assert sorted(figures(load_plan({"scale": "smoke"}))) == NAMES
    assert {"fig4", "fig5", "fig6"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_is_drawn_from_its_inputs_and_is_the_same_bytes_again(smoke, tmp_path, name):
    plan, results = smoke
    place = linked(plan, name, results, tmp_path)
    write_figure(plan, name, place)
    for suffix in ("pdf", "png"):
        assert (place / f"{name}.{suffix}").read_bytes() == (results / f"{name}.{suffix}").read_bytes()
    (page,) = PdfReader(io.BytesIO((place / f"{name}.pdf").read_bytes())).pages
    assert page.extract_text().strip()
    with Image.open(place / f"{name}.png") as image:
        assert image.width == round(float(page.mediabox.width) / 72 * 300)
        assert len(image.convert("L").getcolors()) > 20
        assert image.info.keys() <= {"dpi"}
    assert page.mediabox.width <= 6.7 * 72 + 1  # the report's text width


def test_another_process_draws_the_same_bytes(smoke, tmp_path):
    """Python hashes text anew in each process; the PDF must not show it."""
    plan, results = smoke
    place = linked(plan, "fig_ap_by_size", results, tmp_path)
    code = (
        "from pathlib import Path; from triplehead.analysis.figures import write_figure\n"
        "from triplehead.plan.plan import load_plan\n"
        f"write_figure(load_plan({{'scale': 'smoke'}}), 'fig_ap_by_size', Path({str(place)!r}))"
    )
    for seed in ("1", "2"):
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, check=True)
        for suffix in ("pdf", "png"):
            file = f"fig_ap_by_size.{suffix}"
            assert (place / file).read_bytes() == (results / file).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_one_line_that_names_it(smoke, tmp_path, name):
    plan, results = smoke
    place = linked(plan, name, results, tmp_path)
    first = plan.run_ids(name)[0]
    missing = source(name).reads[0]
    (place / "runs" / first / missing).unlink()
    with pytest.raises(InputError, match=rf"{first}/{missing}: no such file") as caught:
        write_figure(plan, name, place)
    assert "\n" not in str(caught.value)
    assert not list(place.glob("*.pdf")) and not list(place.glob("*.png"))


@pytest.mark.parametrize("name", NAMES)
def test_captions_say_scale_place_and_that_smoke_means_nothing(smoke, name):
    plan, _ = smoke
    text = caption(plan, name)
    assert "smoke scale" in text and "shows only that everything runs" in text
    assert ("of the paper" if name in ("fig4", "fig5", "fig6") else "beyond the paper") in text
    assert "everything runs" not in caption(load_plan({"scale": "proxy"}), name)


@pytest.mark.parametrize("name", [*NAMES, "overview"])
def test_the_picture_itself_says_its_scale(smoke, name):
    (page,) = PdfReader(smoke[1] / f"{name}.pdf").pages
    assert "smoke scale: scores mean nothing" in page.extract_text()


def test_the_overview_is_drawn_where_its_table_is_planned(experiments):
    for name in ("silence", "claims", "audit"):
        (experiments / f"{name}.yaml").unlink()
    assert overviews(load_plan({"scale": "smoke"}, experiments)) == ["overview"]
    for file in (experiments / "table5.yaml", *experiments.glob("fig_*.yaml")):
        file.unlink()
    assert overviews(load_plan({"scale": "smoke"}, experiments)) == []


def test_a_figure_that_nothing_draws_is_refused(experiments):
    for name in ("silence", "claims"):  # which judge Figure 4
        (experiments / f"{name}.yaml").unlink()
    with pytest.raises(InputError, match=r"table5: no such figure; allowed: overview, fig4"):
        write_figure(load_plan({"scale": "smoke"}, experiments), "table5", experiments)
    (experiments / "fig4.yaml").rename(experiments / "fig7.yaml")
    with pytest.raises(InputError, match=r"fig7: no such figure; allowed: fig4"):
        figures(load_plan({"scale": "smoke"}, experiments))


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be \.pdf or \.png"):
        save(None, tmp_path / "figure.jpg")


def test_snakemake_need_not_import_matplotlib_or_torch():
    code = "import sys, triplehead.analysis.figures; print('matplotlib' in sys.modules or 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
