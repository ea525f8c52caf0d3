"""Amazon Bedrock's Converse and ConverseStream, for endpoints only: no client speaks it to the gateway."""
