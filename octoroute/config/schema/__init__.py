"""Every configuration key with its meaning, range, and default, defined once. Pure."""

from octoroute.config.schema.file import Config
from octoroute.config.schema.key import Names
from octoroute.config.schema.logging import LoggingTable
from octoroute.config.schema.server import ServerTable

__all__ = ["Config", "LoggingTable", "Names", "ServerTable"]
