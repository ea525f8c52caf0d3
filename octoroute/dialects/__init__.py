"""The wire formats. A new one is a package and its line here: `INBOUND` is what clients speak, `OUTBOUND` what endpoints do."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.dialects.base import Inbound, Outbound
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.dialects.routing import Routing
from octoroute.dialects.simple import Simple

INBOUND: Mapping[str, Inbound] = {dialect.name: dialect for dialect in (OpenAIInbound(), Simple(), Routing())}
OUTBOUND: Mapping[str, Outbound] = {dialect.name: dialect for dialect in (OpenAIOutbound(),)}
