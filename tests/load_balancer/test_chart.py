import base64
import json
from pathlib import Path

import pytest
import yaml

from rehearsal.load_balancer.chart import SOURCE, render_chart
from rehearsal.load_balancer.objects import Json, at, items, mapping, text


def test_the_chart_is_copied_with_the_webhooks_address_and_authority_as_defaults(tmp_path: Path) -> None:
    chart = render_chart(tmp_path / "chart", "https://127.77.0.5:9443/mutate-v1-pod", b"PEM")
    render_chart(tmp_path / "chart", "https://127.77.0.5:9443/mutate-v1-pod", b"PEM")
    values: Json = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    assert text(values, "rehearsal", "webhookUrl") == "https://127.77.0.5:9443/mutate-v1-pod"
    assert base64.b64decode(text(values, "rehearsal", "caBundle")) == b"PEM"
    assert {path.name for path in chart.rglob("*")} == {path.name for path in SOURCE.rglob("*")}


def test_a_folder_that_is_no_chart_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError, match="holds no chart"):
        render_chart(tmp_path, "https://127.77.0.5:9443", b"PEM")
    assert (tmp_path / "mine").exists()


def test_the_schema_takes_the_real_charts_names_and_no_misspelt_one() -> None:
    schema: Json = json.loads((SOURCE / "values.schema.json").read_bytes())
    known = mapping(schema, "properties")
    assert at(schema, "additionalProperties") is False
    assert {
        "clusterName",
        "region",
        "vpcId",
        "replicaCount",
        "enableServiceMutatorWebhook",
        "keepTLSSecret",
        "podDisruptionBudget",
        "podMutatorWebhookConfig",
        "objectSelector",
        "serviceAccount",
    } <= set(known)
    assert "vpcid" not in known
    assert "clusterName" in items(schema, "required")


def test_every_default_of_the_chart_fits_its_own_schema() -> None:
    values: Json = yaml.safe_load((SOURCE / "values.yaml").read_text(encoding="utf-8"))
    schema: Json = json.loads((SOURCE / "values.schema.json").read_bytes())
    assert set(mapping(values)) <= set(mapping(schema, "properties"))
