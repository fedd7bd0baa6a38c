from __future__ import annotations

from tests.support.comparison import AVERAGE, Compared, csv_rows
from tests.support.tiny_families import BOUND, GOOD, NOTHING, RIVALS
from trainer.compare.experiments.ablations import CHANGES, ENCODER_ALONE
from trainer.compare.protocol.family import Level


def test_page_and_table_show_every_model_with_its_figures(compared: Compared) -> None:
    page, table = (compared.out / "comparison.md").read_text(), csv_rows(compared.out)
    names = {"final LSTM", AVERAGE, *(f.name for f in RIVALS.families), ENCODER_ALONE, *CHANGES}
    assert names | {"another seed"} == set(table)
    assert all(f"| {name}" in page for name in names)
    assert "{" not in page
    assert "Test patients decide nothing here.\n- **Equal" in page  # of the shipped model alone
    assert "(20 replicates, too few for ends to rely on)" in page
    for name, row in table.items():
        assert float(row["auroc_low"]) <= float(row["auroc"]) <= float(row["auroc_high"])
        assert (row["utility_difference_verdict"] == "") == (name == "final LSTM")
    assert table[NOTHING.name]["auroc"] == "0.5"
    assert table[NOTHING.name]["auroc_difference_verdict"] == "worse"
    assert table[BOUND.name]["block"] == Level.TRUTH
    assert table[GOOD.name]["settings"] == "sign 1, noise 0.3"
