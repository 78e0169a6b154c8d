"""The stand-in chart, made ready for one rehearsal."""

import base64
import shutil
from pathlib import Path
from typing import Final

import yaml

from rehearsal.load_balancer.objects import Json, mapping

SOURCE: Final = Path(__file__).parent / "chart"


def render_chart(destination: Path, webhook_url: str, ca_bundle_pem: bytes) -> Path:
    """Copy the chart to a folder (replacing what is there) with the webhook's address and authority as its defaults.

    They are defaults of the chart so that the program gives the stand-in the very values it gives the real chart.
    """
    if destination.exists():
        if not (destination / "Chart.yaml").is_file():
            raise FileExistsError(f"{destination} exists and holds no chart, so it is left alone. Name another folder.")
        shutil.rmtree(destination)
    shutil.copytree(SOURCE, destination)
    path = destination / "values.yaml"
    values: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    rehearsal = {"webhookUrl": webhook_url, "caBundle": base64.b64encode(ca_bundle_pem).decode()}
    path.write_text(yaml.safe_dump({**mapping(values), "rehearsal": rehearsal}, sort_keys=False), encoding="utf-8")
    return destination
