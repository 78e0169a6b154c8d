"""Names and the certificate for them, where there is a domain."""

from typing import final

import pulumi
import pulumi_aws as aws


class NoHostedZone(pulumi.RunError):
    """The account has no public hosted zone for the configured domain."""


@final
class Domain(pulumi.ComponentResource):
    """A certificate for a domain and the names below it. The hosted zone exists already (see `hosted_zone`): whoever
    registers a domain in Route 53 has one, and one that no registrar points to would make the certificate wait for
    ever."""

    name: str
    zone_id: str
    certificate_arn: pulumi.Output[str]

    def __init__(self, name: str, domain: str, zone_id: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Domain", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.name = domain
        self.zone_id = zone_id
        certificate = aws.acm.Certificate(
            "certificate",
            domain_name=domain,
            subject_alternative_names=[f"*.{domain}"],
            validation_method="DNS",
            opts=child,
        )
        # The domain and the names below it are proven by one and the same record.
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            "validation",
            zone_id=self.zone_id,
            name=proof.resource_record_name.apply(_known),
            type=proof.resource_record_type.apply(_known),
            records=[proof.resource_record_value.apply(_known)],
            ttl=300,
            allow_overwrite=True,
            opts=child,
        )
        validated = aws.acm.CertificateValidation(
            "validated", certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn], opts=child
        )
        self.certificate_arn = validated.certificate_arn
        self.register_outputs({"certificate_arn": self.certificate_arn})

    def alias(self, name: str, host: str, load_balancer: aws.lb.LoadBalancer) -> None:
        """Let a name of this domain lead to a load balancer."""
        aws.route53.Record(
            name,
            zone_id=self.zone_id,
            name=host,
            type="A",
            aliases=[
                {
                    "name": load_balancer.dns_name,
                    "zone_id": load_balancer.zone_id,
                    "evaluate_target_health": False,
                }
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )


def hosted_zone(domain: str, opts: pulumi.InvokeOptions) -> str:
    """Id of the public hosted zone of a domain.

    Raises:
        NoHostedZone: there is none, or several.
    """
    try:
        return aws.route53.get_zone(name=domain, private_zone=False, opts=opts).zone_id
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more precise
        said = str(error).rpartition("returned an error: ")[2].strip()
        raise NoHostedZone(
            f"smallcase:domain is {domain!r}, for which Route 53 names no hosted zone ({said}). `aws route53 "
            "list-hosted-zones` shows the account's; make one with `aws route53 create-hosted-zone --name "
            f"{domain} --caller-reference 1` and have the registrar point to its name servers, or do without: "
            f"`pulumi config rm smallcase:domain -s {pulumi.get_stack()}`."
        ) from None


def _known(value: str | None) -> str:
    if value is None:
        raise ValueError("ACM has not said which record proves the domain")
    return value
