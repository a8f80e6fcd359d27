"""The coordinators that a program of ours is about, asked of their source where they have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from impala_ha.balancing.host_source import resolved
from impala_ha.core.extras import MissingExtra
from impala_ha.discovery.sources import make_source
from impala_ha.errors import ConfigurationError, NoCoordinatorLeft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impala_ha.core.model import Coordinator
    from impala_ha.options.settings import Settings


def coordinators_of(
    settings: Settings, before: Sequence[Coordinator] = ()
) -> Sequence[Coordinator]:
    """
    Those that are listed, or that their source names now.

    Args:
        settings: What was given.
        before: Those that it named before, which stay where it names nobody now.

    Raises:
        UsageError: The source cannot be asked as it is given.
        ClickException: It names nobody, and did not before.
    """
    if settings.source is None:
        return settings.coordinators
    try:
        source = make_source(settings.source, settings.options)
        return resolved(source, settings.options.connect_timeout)
    except (MissingExtra, ConfigurationError) as error:
        raise click.UsageError(str(error)) from None
    except NoCoordinatorLeft as error:
        if before:
            return before
        raise click.ClickException(str(error)) from None
