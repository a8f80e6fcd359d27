"""The version, where dbt looks for it."""

from impala_ha import __version__ as version

__all__ = ["version"]
