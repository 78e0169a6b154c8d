"""Which names below a platform's domain are whose."""


def host_in(domain: str, environment: str, configured: str | None) -> str | None:
    """The name an environment answers to: the configured one, or one below the platform's domain if there is one."""
    return configured or (f"{environment}.{domain}" if domain else None)


def belongs_to(host: str, domain: str) -> bool:
    """Whether a name is the domain itself or directly below it, which is as far as its certificate goes."""
    return bool(domain) and domain in (host, host.partition(".")[2])


def jenkins_host(domain: str) -> str:
    """The name by which people and GitHub reach Jenkins."""
    return f"jenkins.{domain}"
