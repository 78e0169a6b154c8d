"""The stand-in cloud: a real Kubernetes on this machine, and stand-ins for what only AWS has."""
