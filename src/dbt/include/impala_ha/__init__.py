"""What dbt includes with the adapter `impala_ha`; the macros are dbt-impala's."""

import os

PACKAGE_PATH = os.path.dirname(__file__)
