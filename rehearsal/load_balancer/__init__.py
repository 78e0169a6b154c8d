"""A stand-in for the AWS Load Balancer Controller and its Application Load Balancers, with HAProxy on loopback addresses."""
