"""OpenTelemetry: traces of requests, and metrics, sent by OTLP/HTTP in a thread of its own. Its SDK is loaded only if it is on."""
