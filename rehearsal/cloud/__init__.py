"""The stand-in cloud: what the rehearsal and the tests have in place of AWS behind the real Pulumi engine."""
