"""`octoroute demo`: simulated model servers, the real gateway in front of them, and a guided tour through it."""
