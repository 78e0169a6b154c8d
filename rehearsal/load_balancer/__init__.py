"""A stand-in for the AWS Load Balancer Controller and its load balancers: HAProxy on loopback addresses."""
