"""octoroute: one endpoint in front of all your models."""

__version__ = "1.0.0"
