"""The data types of the product: request, endpoint, decision, outcome, conversation, events. Imports only `errors`."""
