"""Checks of the infrastructure; `infra/check` runs them."""
