"""Configuration: reads TOML, JSON, or YAML into frozen structs. Only this package reads configuration files and the environment."""

from octoroute.config.load import load, loads
from octoroute.config.schema import Config

__all__ = ["Config", "load", "loads"]
