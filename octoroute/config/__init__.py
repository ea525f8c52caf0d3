"""The configuration: TOML, JSON, or YAML in, frozen structs out; the only reader of files and of the environment."""

from octoroute.config.load import load, loads
from octoroute.config.schema import Config

__all__ = ["Config", "load", "loads"]
