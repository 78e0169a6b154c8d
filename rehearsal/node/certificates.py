"""The cluster's own certificate authority, and a certificate for everyone who takes part."""

import base64
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra import branches
from rehearsal import places
from rehearsal.node.files import NodeFiles

LIFETIME: Final = timedelta(days=365)


@final
@dataclass(frozen=True, kw_only=True)
class Identity:
    """One certificate: a file name, a common name, a group for Kubernetes, and the names it serves under."""

    file: str
    name: str
    group: str | None = None
    serves: tuple[str, ...] = ()


API_SERVER: Final = Identity(
    file="api-server",
    name="kube-apiserver",
    serves=(
        places.API_SERVER.host,
        str(places.SERVICES[1]),
        "localhost",
        "127.0.0.1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ),
)
ETCD: Final = Identity(file="etcd", name="etcd", serves=(places.ETCD.host,))
KUBELET: Final = Identity(
    file="kubelet",
    name=f"system:node:{places.NODE_NAME}",
    group="system:nodes",
    serves=(places.NODE_NAME, places.KUBELET.host),
)
REGISTRY: Final = Identity(file="registry", name="registry", serves=("localhost", "127.0.0.1"))
WEBHOOK: Final = Identity(file="webhook", name="aws-load-balancer-webhook", serves=(places.WEBHOOK.host, "localhost"))
KUBELET_CLIENT: Final = Identity(file="api-server-to-kubelet", name="kube-apiserver", group="system:masters")
CONTROLLER_MANAGER: Final = Identity(file="controller-manager", name="system:kube-controller-manager")
SCHEDULER: Final = Identity(file="scheduler", name="system:kube-scheduler")
KUBE_PROXY: Final = Identity(file="kube-proxy", name="system:kube-proxy")
ADMINISTRATOR: Final = Identity(file="administrator", name="smallcase:administrator", group="system:masters")
PREVIEW, OPEN, DEPLOY = (
    Identity(file=domain, name=branches.group(domain), group=branches.group(domain))
    for domain in (branches.PREVIEW, branches.OPEN, branches.DEPLOY)
)
LOAD_BALANCER_CONTROLLER: Final = Identity(
    file="load-balancer-controller", name="smallcase:load-balancer-controller", group="system:masters"
)

IDENTITIES: Final = (
    API_SERVER,
    ETCD,
    KUBELET,
    REGISTRY,
    WEBHOOK,
    KUBELET_CLIENT,
    CONTROLLER_MANAGER,
    SCHEDULER,
    KUBE_PROXY,
    ADMINISTRATOR,
    PREVIEW,
    OPEN,
    DEPLOY,
    LOAD_BALANCER_CONTROLLER,
)
ROLES: Final = (ADMINISTRATOR, PREVIEW, OPEN, DEPLOY, LOAD_BALANCER_CONTROLLER)
"""Who `aws eks get-token` may speak for."""
KUBECONFIGS: Final = (KUBELET, CONTROLLER_MANAGER, SCHEDULER, KUBE_PROXY, LOAD_BALANCER_CONTROLLER)
"""Who gets a kubeconfig among the configuration; the administrator's stands in the state directory."""


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)


def certificate_path(files: NodeFiles, identity: Identity) -> Path:
    return files.certificates / f"{identity.file}.crt"


def key_path(files: NodeFiles, identity: Identity) -> Path:
    return files.certificates / f"{identity.file}.key"


def ensure_certificates(files: NodeFiles) -> None:
    """Write the authority, every identity, `service-accounts.key`/`.pub`, the roles' credentials and the kubeconfigs.

    Done once for a rehearsal; the last file written marks the set as complete.
    """
    complete = files.certificates / "complete"
    if complete.exists():
        return
    files.authority.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.credentials.mkdir(mode=0o700, exist_ok=True)
    files.configuration.mkdir(mode=0o700, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key)
    write_private(files.authority, authority.public_bytes(serialization.Encoding.PEM))
    for identity in IDENTITIES:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(identity, key, authority, authority_key)
        write_private(certificate_path(files, identity), certificate.public_bytes(serialization.Encoding.PEM))
        write_private(key_path(files, identity), _pem(key))
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    write_private(files.certificates / "service-accounts.key", _pem(service_accounts))
    public = service_accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_private(files.certificates / "service-accounts.pub", public)
    for role in ROLES:
        write_private(files.credentials / f"{role.file}.json", json.dumps(exec_credential(files, role)).encode())
    for identity in KUBECONFIGS:
        path = files.configuration / f"{identity.file}.kubeconfig"
        write_private(path, json.dumps(kubeconfig(files, identity)).encode())
    write_private(files.kubeconfig, json.dumps(kubeconfig(files, ADMINISTRATOR)).encode())
    complete.touch()


def exec_credential(files: NodeFiles, role: Identity) -> dict[str, object]:
    """What `aws eks get-token` answers: a client certificate in the place of AWS's token."""
    return {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {
            "clientCertificateData": certificate_path(files, role).read_text(encoding="utf-8"),
            "clientKeyData": key_path(files, role).read_text(encoding="utf-8"),
        },
    }


def kubeconfig(files: NodeFiles, identity: Identity) -> dict[str, object]:
    """A kubeconfig that holds everything it needs."""

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    name = "smallcase-rehearsal"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://{places.API_SERVER}",
                    "certificate-authority-data": encoded(files.authority),
                },
            }
        ],
        "users": [
            {
                "name": identity.name,
                "user": {
                    "client-certificate-data": encoded(certificate_path(files, identity)),
                    "client-key-data": encoded(key_path(files, identity)),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity.name}}],
        "current-context": name,
    }


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _subject(name: str, group: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    # A clock that is set back a little must not make the certificates of the future.
    start = datetime.now(UTC) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _subject("smallcase rehearsal", None)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if identity.serves else [])]
    builder = (
        _builder(_subject(identity.name, identity.group), authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if identity.serves:
        names = [_general_name(name) for name in identity.serves]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(IPv4Address(name))
    except ValueError:
        return x509.DNSName(name)
