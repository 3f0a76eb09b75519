"""The one resource: it reaches the platform by settings and ids, so no run config ever holds a secret."""

import dagster as dg

from dataops_defs.flows.platform import Platform
from dataops_defs.settings import settings


class PlatformResource(dg.ConfigurableResource[None]):
    """Catalogue, warehouse, raw store and sources; nothing is opened until it is asked for."""

    def open(self) -> Platform:
        """The platform of this process."""
        return Platform(settings())
