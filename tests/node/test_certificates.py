"""Who may speak to the cluster, and as whom."""

import json
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from rehearsal import places
from rehearsal.node import certificates
from rehearsal.node.files import NodeFiles


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> NodeFiles:
    made = NodeFiles(state=tmp_path_factory.mktemp("state"))
    certificates.ensure_certificates(made)
    return made


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_every_certificate_is_signed_by_the_authority(files: NodeFiles) -> None:
    authority = _certificate(files.authority)
    for identity in certificates.IDENTITIES:
        _certificate(certificates.certificate_path(files, identity)).verify_directly_issued_by(authority)


@pytest.mark.parametrize(
    ("role", "group"),
    [
        ("administrator", "system:masters"),
        ("preview", "smallcase:preview"),
        ("open", "smallcase:open"),
        ("deploy", "smallcase:deploy"),
        ("load-balancer-controller", "system:masters"),
    ],
)
def test_a_role_has_a_credential_in_its_own_group(files: NodeFiles, role: str, group: str) -> None:
    credential = cast("dict[str, object]", json.loads((files.credentials / f"{role}.json").read_bytes()))
    status = cast("dict[str, str]", credential["status"])
    subject = x509.load_pem_x509_certificate(status["clientCertificateData"].encode()).subject

    assert credential["kind"] == "ExecCredential"
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [group]
    assert "PRIVATE KEY" in status["clientKeyData"]


def test_the_api_server_and_the_webhook_are_trusted_under_the_addresses_they_serve_on(files: NodeFiles) -> None:
    for identity, address in (
        (certificates.API_SERVER, places.API_SERVER.host),
        (certificates.API_SERVER, str(places.SERVICES[1])),
        (certificates.WEBHOOK, places.WEBHOOK.host),
        (certificates.KUBELET, places.KUBELET.host),
    ):
        names = _certificate(certificates.certificate_path(files, identity)).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert address in [str(found) for found in names.value.get_values_for_type(x509.IPAddress)]


def test_only_the_owner_can_read_what_was_written(files: NodeFiles) -> None:
    written = [path for path in files.state.rglob("*") if path.is_file() and path.name != "complete"]
    assert len(written) > 2 * len(certificates.IDENTITIES)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in written} == dict.fromkeys(
        (path.name for path in written), "0o600"
    )


def test_a_set_that_is_complete_is_kept(files: NodeFiles) -> None:
    before = files.kubeconfig.read_bytes()
    certificates.ensure_certificates(files)
    assert files.kubeconfig.read_bytes() == before
