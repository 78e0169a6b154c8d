"""What the scan of an image has to say before production is planned, and after a deployment."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pipeline import findings
from pipeline.checkout import Build, Checkout
from pipeline.environments import Target
from pipeline.findings import Critical, Scan, criticals, judge, of_deployment, of_promotion, scan
from pipeline.outcomes import Refused
from pipeline.pulumi import Pulumi
from tests.pipeline.live import Live
from tests.stack_files import CHECKOUT

OPENSSL = Critical(name="CVE-2026-1000", package="openssl", version="3.0.1", fixed="3.0.9", fix=True)
UNFIXED = Critical(name="CVE-2026-2000", package="zlib1g", version="1.2", fix=False)
UNKNOWN = Critical(name="CVE-2026-3000", package="perl", version="5.36")
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/smallcase-platform:green-0123456789ab@sha256:" + "a" * 64


def found(*each: Critical) -> Scan:
    return Scan(criticals=frozenset(each))


def test_a_critical_with_a_fix_that_what_runs_does_not_have_is_refused() -> None:
    assert judge(found(OPENSSL), found()).refused == (OPENSSL,)
    assert judge(found(OPENSSL), found(UNFIXED)).refused == (OPENSSL,)
    assert str(OPENSSL) == "CVE-2026-1000 in openssl 3.0.1, fixed in 3.0.9"


def test_what_runs_already_is_no_reason_to_keep_the_next_image_back() -> None:
    older = Critical(name=OPENSSL.name, package="openssl", version="3.0.0", fix=True)
    assert judge(found(OPENSSL), found(older)) == findings.Judged()


@pytest.mark.parametrize("one", [UNFIXED, UNKNOWN])
def test_without_a_fix_or_without_knowing_of_one_it_is_told_and_no_more(one: Critical) -> None:
    judged = judge(found(one), found())
    assert judged.refused == ()
    assert str(one) in judged.warning


def test_where_nothing_is_known_it_is_told_why() -> None:
    assert judge(Scan(unread="AccessDenied"), found()).warning.endswith("is not known: AccessDenied.")
    judged = judge(found(OPENSSL), Scan(unread="SCAN_ELIGIBILITY_EXPIRED"))
    assert judged.refused == ()
    assert "CVE-2026-1000" in judged.warning
    assert "SCAN_ELIGIBILITY_EXPIRED" in judged.warning


def basic(*names: str, status: str = "COMPLETE") -> dict[str, object]:
    """As a basic scan has them: no word of a fix."""
    attributes = [{"key": "package_name", "value": "openssl"}, {"key": "package_version", "value": "3.0.1"}]
    each = [{"name": name, "severity": "CRITICAL", "attributes": attributes} for name in names]
    return {"imageScanStatus": {"status": status}, "imageScanFindings": {"findings": each}}


def enhanced(name: str = "CVE-2026-1000", **changes: object) -> dict[str, object]:
    """As Amazon Inspector has it."""
    package = {"name": "openssl", "version": "3.0.1", "fixedInVersion": "3.0.9"}
    finding: dict[str, object] = {
        "severity": "CRITICAL",
        "status": "ACTIVE",
        "fixAvailable": "YES",
        "packageVulnerabilityDetails": {"vulnerabilityId": name, "vulnerablePackages": [package]},
        **changes,
    }
    return {"imageScanStatus": {"status": "ACTIVE"}, "imageScanFindings": {"enhancedFindings": [finding]}}


def test_both_kinds_of_scan_are_read() -> None:
    assert list(criticals(basic("CVE-2026-1000"))) == [
        Critical(name="CVE-2026-1000", package="openssl", version="3.0.1", fix=None)
    ]
    assert list(criticals(enhanced())) == [OPENSSL]
    details = {
        "vulnerabilityId": "CVE-2026-1000",
        "vulnerablePackages": [{"name": "openssl", "version": "3.0.1", "fixedInVersion": "NotAvailable"}],
    }
    [one] = criticals(enhanced(fixAvailable="NO", packageVulnerabilityDetails=details))
    assert (one.fix, one.fixed) == (False, "")


def test_what_somebody_named_a_package_stays_in_its_line_of_the_report() -> None:
    named = "x\n\n## nothing changes\r\n| a |"
    details = {"vulnerabilityId": named, "vulnerablePackages": [{"name": named, "version": named}]}
    listed = [*criticals(basic(named)), *criticals(enhanced(packageVulnerabilityDetails=details))]
    assert [len(str(one).splitlines()) for one in listed] == [1, 1]


@pytest.mark.parametrize("changes", [{"severity": "HIGH"}, {"status": "SUPPRESSED"}, {"status": "CLOSED"}])
def test_what_is_not_critical_or_somebody_has_accepted_is_left_out(changes: Mapping[str, str]) -> None:
    assert list(criticals(enhanced(**changes))) == []


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with an `aws` that answers what `answers` has, one after the other, and the last again and again."""
    monkeypatch.setattr(findings, "PAUSE", 0.05)
    monkeypatch.setattr(findings, "PATIENCE", 2.0)
    program = tmp_path / "aws"
    program.write_text(
        """#!/bin/bash
cd "$(dirname "$0")" && echo "$*" >>calls
answer=answers/$(wc -l <calls)
[ -e "$answer" ] || answer=answers/last
[ ! -s "$answer.error" ] || { cat "$answer.error" >&2; exit 254; }
cat "$answer"
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    (tmp_path / "answers").mkdir()
    return tmp_path


def answer(registry: Path, which: str, what: object) -> None:
    (registry / "answers" / which).write_text(json.dumps(what), encoding="utf-8")
    if isinstance(what, str):
        (registry / "answers" / f"{which}.error").write_text(what, encoding="utf-8")


def asked(registry: Path) -> list[str]:
    return (registry / "calls").read_text(encoding="utf-8").splitlines()


def look(registry: Path) -> Scan:
    return scan(IMAGE, {"PATH": f"{registry}:{os.defpath}"})


def test_the_image_is_asked_for_by_digest_in_the_registry_and_region_that_its_name_says(registry: Path) -> None:
    answer(registry, "last", enhanced())
    assert look(registry) == found(OPENSSL)
    digest = f"--image-id imageDigest=sha256:{'a' * 64}"
    where = "--registry-id 123456789012 --region eu-west-1"
    command = f"ecr describe-image-scan-findings --repository-name smallcase-platform {digest} {where} --output json"
    assert asked(registry) == [command]


def test_a_scan_that_has_only_begun_is_waited_for(registry: Path) -> None:
    answer(registry, "1", "An error occurred (ScanNotFoundException): Image scan does not exist")
    answer(registry, "2", "An error occurred (ThrottlingException): Rate exceeded")
    answer(registry, "3", basic(status="IN_PROGRESS"))
    answer(registry, "last", enhanced())
    assert look(registry) == found(OPENSSL)
    assert len(asked(registry)) == 4


def test_a_scan_that_does_not_come_is_waited_for_no_longer_than_that(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "PATIENCE", 0.3)
    answer(registry, "last", basic(status="PENDING"))
    assert look(registry).unread == "the scan is PENDING"
    assert 1 < len(asked(registry)) < 8


@pytest.mark.parametrize(
    ("said", "unread"),
    [
        ("An error occurred (AccessDeniedException): no", "An error occurred (AccessDeniedException): no"),
        (basic(status="UNSUPPORTED_IMAGE"), "the scan is UNSUPPORTED_IMAGE"),
    ],
)
def test_what_will_not_change_is_asked_once(registry: Path, said: object, unread: str) -> None:
    answer(registry, "last", said)
    assert look(registry).unread == unread
    assert len(asked(registry)) == 1


def test_without_the_program_it_is_not_known() -> None:
    assert scan(IMAGE, {"PATH": "/nowhere"}).unread == "`aws` is not on PATH"


def digest_of(live: Live, stack: str) -> str:
    image = str(live.target().pulumi.outputs(stack).get("image"))
    return image.rpartition("sha256:")[2]


class Deployed:
    """A `Pulumi` that knows the images of stacks, and asks a registry of ours."""

    def __init__(self, registry: Path, images: Mapping[str, str], project: Path = CHECKOUT) -> None:
        self.images = images
        self.environment = {"PATH": f"{registry}:{os.defpath}"}
        self.project = project

    def outputs(self, stack: str) -> dict[str, object]:
        return {"image": self.images[stack]} if stack in self.images else {}


def production(
    registry: Path, *, green: str = "", blue: str = "", branch: str = "master", stack: str = "blue"
) -> Target:
    images = {name: IMAGE.replace("a" * 64, value * 64) for name, value in (("green", green), ("blue", blue)) if value}
    pulumi = cast("Pulumi", Deployed(registry, images))
    return Target(checkout=Checkout(root=CHECKOUT), build=Build(branch=branch, change=None), pulumi=pulumi, stack=stack)


def test_production_is_not_planned_with_what_the_scan_of_stagings_image_found(registry: Path) -> None:
    answer(registry, "1", enhanced())
    answer(registry, "2", basic())
    with pytest.raises(Refused) as refused:
        of_promotion(production(registry, green="a", blue="b"))
    assert "The image of green does not go on to blue" in refused.value.message
    assert "CVE-2026-1000 in openssl 3.0.1, fixed in 3.0.9" in refused.value.message
    assert [call.partition("sha256:")[2][0] for call in asked(registry)] == ["a", "b"]


def test_production_gets_what_it_has_already(registry: Path) -> None:
    answer(registry, "last", enhanced())
    assert of_promotion(production(registry, green="a", blue="b")) == ""
    (registry / "calls").unlink()
    assert of_promotion(production(registry, green="a", blue="a")) == ""
    assert not (registry / "calls").exists(), "the same image is not asked about"


def test_where_nothing_runs_everything_is_new(registry: Path) -> None:
    answer(registry, "last", enhanced())
    with pytest.raises(Refused):
        of_promotion(production(registry, green="a"))


def test_where_staging_has_nothing_that_is_told(registry: Path) -> None:
    assert of_promotion(production(registry, blue="b")) == (
        "Nothing of staging is deployed, so no scan says what production would get."
    )


@pytest.mark.parametrize(("branch", "stack"), [("staging", "green"), ("develop", "develop")])
def test_what_nobody_approves_is_planned_before_there_is_anything_to_scan(
    registry: Path, branch: str, stack: str
) -> None:
    assert of_promotion(production(registry, green="a", blue="b", branch=branch, stack=stack)) == ""


def test_a_known_image_is_never_refused(registry: Path, tmp_path: Path) -> None:
    """Going back has to be possible whatever is found in what runs, and in what ran."""
    answer(registry, "1", enhanced())
    answer(registry, "last", basic())
    names = ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in ("platform", "green", "blue", "develop")))
    for name in names:
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    target = production(registry, green="a", blue="b")
    named = replace(target, pulumi=cast("Pulumi", Deployed(registry, {"blue": IMAGE, "green": IMAGE}, tmp_path)))
    with pytest.raises(Refused):
        of_deployment(named, IMAGE.replace("a" * 64, "c" * 64), io.StringIO())
    (registry / "calls").unlink()
    with (tmp_path / "Pulumi.blue.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  smallcase:image: {IMAGE}\n")
    assert of_promotion(named) == ""
    of_deployment(named, IMAGE.replace("a" * 64, "c" * 64), io.StringIO())
    assert not (registry / "calls").exists()


def test_a_deployment_with_a_new_critical_that_has_a_fix_ends_with_3_and_says_that_it_runs(live: Live) -> None:
    before = digest_of(live, "develop")
    live.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-new")
    live.scans(**{before: basic()})
    live.plan()
    ran = live.deploy()
    assert ran.code == 0, ran.stderr
    after = digest_of(live, "develop")
    assert after != before
    assert "What the scan found in the new image is not known" in ran.stdout
    live.commit("app/smallcase/templates/page.html", "data-new", "data-newer")
    live.plan()
    live.scans(**{after: basic()}, default=enhanced())
    ran = live.deploy()
    assert ran.code == 3
    assert "develop is deployed to develop." in ran.stdout
    assert "its image is in use now" in ran.stderr
    assert "CVE-2026-1000 in openssl 3.0.1, fixed in 3.0.9" in ran.stderr
