"""The service as the template configures it, on this machine; `infra/rehearse` runs what is here."""
