"""`octoroute conform`: whether a gateway keeps what OpenAI's and Anthropic's APIs promise, seen from the outside."""
