"""Six vendors' servers, each made of and checked by its own SDK's types, or the service model of one."""

from tests.support.vendors.anthropic import Anthropic
from tests.support.vendors.base import Asked, Call, Image, Result, Says, Server, Thought, Vendor, spelled
from tests.support.vendors.bedrock import Bedrock
from tests.support.vendors.gemini import Gemini
from tests.support.vendors.openai import Azure, OpenAI
from tests.support.vendors.responses import Responses

VENDORS: dict[str, type[Vendor]] = {vendor.kind: vendor for vendor in (OpenAI, Azure, Responses, Anthropic, Gemini, Bedrock)}

__all__ = ["VENDORS", "Asked", "Call", "Image", "Result", "Says", "Server", "Thought", "Vendor", "spelled"]
