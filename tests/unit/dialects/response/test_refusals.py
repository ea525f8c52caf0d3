"""The vendors' words, row by row: what each refusal means."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.response.errors import read_error_body
from octoroute.dialects.response.refusals import IN_RESPONSE, TABLE, RefusalKind, is_firewall_page, refusal_of

R = RefusalKind
ROWS: list[tuple[str, int, str, str, RefusalKind]] = [
    # vendor, status, code and type, message, meaning
    ("OpenAI", 400, "context_length_exceeded invalid_request_error", "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.", R.CONTEXT),
    ("OpenAI Responses", 400, "", "Your input exceeds the context window of this model. Please adjust your input and try again.", R.CONTEXT),
    ("OpenAI long string", 400, "string_above_max_length invalid_request_error", "Invalid 'messages[0].content': string too long.", R.REQUEST),
    ("Anthropic", 400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", R.CONTEXT),
    ("Anthropic with output", 400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again", R.CONTEXT),
    ("Gemini", 400, "400 INVALID_ARGUMENT", "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).", R.CONTEXT),
    ("SGLang", 400, "400 BadRequestError", "The input (61709 tokens) is longer than the model's context length (40960 tokens).", R.CONTEXT),
    ("SGLang total", 400, "400 BadRequest", "Requested token count exceeds the model's maximum context length of 202752 tokens. You requested a total of 202941 tokens", R.CONTEXT),
    ("SGLang allowed", 400, "", "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens). Use a shorter input.", R.CONTEXT),
    ("vLLM decoder", 400, "400 BadRequestError", "The decoder prompt (length 10127) is longer than the maximum model length of 8192.", R.CONTEXT),
    ("vLLM newer", 400, "400", "You passed 8193 input tokens and requested 0 output tokens. However, the model's context length is only 8192 tokens", R.CONTEXT),
    ("llama.cpp", 400, "400 exceed_context_size_error", "the request exceeds the available context size, try increasing it", R.CONTEXT),
    ("llama.cpp older", 500, "500 server_error", "the request exceeds the available context size. try increasing the context size or enable context shift", R.CONTEXT),
    ("Ollama", 400, "", "the input length exceeds the context length", R.CONTEXT),
    ("LM Studio", 400, "", "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens", R.CONTEXT),
    ("LM Studio newer", 400, "", "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5000)", R.CONTEXT),
    ("Bedrock", 400, "ValidationException", "Input is too long for requested model.", R.CONTEXT),
    ("Mistral", 400, "invalid_request_prompt 3051", "Prompt contains 150000 tokens and 0 draft tokens, too large for model with 131072 maximum context length", R.CONTEXT),
    ("Groq", 400, "context_length_exceeded invalid_request_error", "Please reduce the length of the messages or completion.", R.CONTEXT),
    ("xAI", 400, "", "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", R.CONTEXT),
    ("Together", 422, "", "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 512 `max_new_tokens`", R.CONTEXT),
    ("Fireworks", 400, "invalid_request_error", "The prompt is too long: 140000, model maximum context length: 131071", R.CONTEXT),
    ("DeepSeek", 400, "invalid_request_error", "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens", R.CONTEXT),
    ("Moonshot", 400, "invalid_request_error", "Invalid request: Your request exceeded model token limit: 131072", R.CONTEXT),
    ("Zhipu", 400, "1261", "Prompt exceeds max length", R.CONTEXT),
    ("DashScope", 400, "invalid_parameter_error", "Range of input length should be [1, 129024]", R.CONTEXT),
    ("Cohere", 400, "", "too many tokens: size limit exceeded by 1200 tokens. Try using shorter or fewer inputs.", R.CONTEXT),
    ("GitHub Models", 413, "tokens_limit_reached", "Request body too large for gpt-4o model. Max size: 8000 tokens.", R.CONTEXT),
    ("Copilot", 400, "model_max_prompt_tokens_exceeded", "prompt token count of 130000 exceeds the limit of 128000", R.CONTEXT),
    ("MiniMax", 400, "", "invalid params, context window exceeds limit (2013)", R.CONTEXT),
    ("OpenRouter", 400, "400", "This endpoint's maximum context length is 128000 tokens. However, you requested about 150000 tokens", R.CONTEXT),
    # too much for this account in one request
    ("OpenRouter afford", 402, "402", "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 3000.", R.ALLOWANCE),
    ("OpenRouter prompt", 402, "402", "Prompt tokens limit exceeded: 9000 > 5000. You can only afford 5000 tokens", R.ALLOWANCE),
    ("Groq TPM", 413, "rate_limit_exceeded tokens", "Request too large for model `llama` in organization `org_1` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 7012", R.ALLOWANCE),
    ("OpenAI TPM", 429, "rate_limit_exceeded tokens", "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000.", R.ALLOWANCE),
    # content
    ("Azure filter", 400, "content_filter", "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", R.CONTENT),
    ("OpenAI policy", 400, "content_policy_violation invalid_request_error", "Your request was rejected as a result of our safety system.", R.CONTENT),
    ("OpenAI flagged", 400, "invalid_prompt invalid_request_error", "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", R.CONTENT),
    ("OpenRouter moderation", 403, "403", 'openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence"', R.CONTENT),
    ("Anthropic filter", 400, "invalid_request_error", "Output blocked by content filtering policy", R.CONTENT),
    ("DeepSeek risk", 400, "invalid_request_error", "Content Exists Risk", R.CONTENT),
    ("DashScope inspection", 400, "data_inspection_failed", "Input data may contain inappropriate content.", R.CONTENT),
    ("Moonshot risk", 400, "content_filter", "The request was rejected because it was considered high risk", R.CONTENT),
    ("xAI safety", 403, "", "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", R.CONTENT),
    ("Zhipu sensitive", 400, "1301", "...", R.CONTENT),
    # region
    ("OpenAI country", 403, "unsupported_country_region_territory request_forbidden", "Country, region, or territory not supported", R.REGION),
    ("Gemini country", 400, "400 FAILED_PRECONDITION", "User location is not supported for the API use.", R.REGION),
    # money
    ("OpenAI quota", 429, "insufficient_quota insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", R.BILLING),
    ("OpenAI hard limit", 400, "billing_hard_limit_reached", "Billing hard limit has been reached", R.BILLING),
    ("OpenAI inactive", 429, "billing_not_active", "Your account is not active, please check your billing details on our website.", R.BILLING),
    ("Anthropic credit", 400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade", R.BILLING),
    ("Anthropic usage limit", 400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", R.BILLING),
    ("DeepSeek balance", 402, "invalid_request_error", "Insufficient Balance", R.BILLING),
    ("OpenRouter credits", 402, "402", "Insufficient credits. Add more using https://openrouter.ai/credits", R.BILLING),
    ("OpenRouter key limit", 403, "403", "Key limit exceeded (total limit). Manage it using the settings page", R.BILLING),
    ("xAI team", 403, "", "Your team t1 has either used all available credits or reached its monthly spending limit.", R.BILLING),
    ("Together limit", 402, "credit_limit", "Credit limit exceeded, please navigate to the billing page", R.BILLING),
    ("Fireworks suspended", 412, "", "Account acme is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices", R.BILLING),
    ("Moonshot quota", 429, "exceeded_current_quota_error", "Your account org-1 is suspended, please check your plan and billing details", R.BILLING),
    ("Zhipu balance", 429, "1113", "...", R.BILLING),
    ("DashScope arrears", 400, "Arrearage", "Access denied, please make sure your account is in good standing.", R.BILLING),
    ("Hugging Face", 402, "", "You have exceeded your monthly included credits for Inference Providers.", R.BILLING),
    ("Azure APIM", 403, "403", "Out of call volume quota. Quota will be replenished in 10:00:00.", R.BILLING),
    ("an empty 402", 402, "", "", R.BILLING),
    # keys
    ("OpenAI key", 401, "invalid_api_key invalid_request_error", "Incorrect API key provided: sk-***", R.KEY),
    ("Gemini key", 400, "400 INVALID_ARGUMENT API_KEY_INVALID", "API key not valid. Please pass a valid API key.", R.KEY),
    ("Gemini key expired", 400, "400 INVALID_ARGUMENT", "API key expired. Please renew the API key.", R.KEY),
    ("xAI key", 400, "invalid argument", "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.", R.KEY),
    ("Bedrock token", 403, "UnrecognizedClientException", "The security token included in the request is invalid.", R.KEY),
    ("Anthropic key", 401, "authentication_error", "invalid x-api-key", R.KEY),
    ("restricted key", 403, "", "You have insufficient permissions for this operation. Missing scopes: model.request", R.KEY),
    ("an empty 403", 403, "", "", R.KEY),
    # models and addresses
    ("OpenAI model", 404, "model_not_found invalid_request_error", "The model `gpt-9` does not exist or you do not have access to it.", R.MODEL),
    ("Azure deployment", 404, "DeploymentNotFound", "The API deployment for this resource does not exist.", R.MODEL),
    ("Azure operation", 400, "OperationNotSupported", "The chatCompletion operation does not work with the specified model, dall-e-3.", R.MODEL),
    ("Anthropic model", 404, "not_found_error", "model: claude-9", R.MODEL),
    ("Gemini model", 404, "404 NOT_FOUND", "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.", R.MODEL),
    ("Ollama model", 404, "not_found_error", "model 'qwen3:8b' not found", R.MODEL),
    ("Ollama pull", 404, "", 'model "qwen9" not found, try pulling it first', R.MODEL),
    ("vLLM model", 404, "404 NotFoundError", "The model `Qwen/Qwen9` does not exist.", R.MODEL),
    ("LM Studio none", 404, "", "No models loaded. Please load a model in the developer page", R.MODEL),
    ("OpenRouter id", 400, "400", "qwen/qwen-99 is not a valid model ID", R.MODEL),
    ("OpenRouter endpoints", 404, "404", "No endpoints found for qwen/qwen-99.", R.MODEL),
    ("Mistral model", 400, "invalid_model 1500", "Invalid model: mistral-99", R.MODEL),
    ("Groq retired", 400, "model_decommissioned invalid_request_error", "The model `mixtral` has been decommissioned and is no longer supported.", R.MODEL),
    ("DeepSeek model", 400, "invalid_request_error", "Model Not Exist", R.MODEL),
    ("Moonshot model", 404, "resource_not_found_error", "Not found the model kimi-99 or Permission denied", R.MODEL),
    ("Bedrock model", 400, "ValidationException", "The provided model identifier is invalid.", R.MODEL),
    ("Bedrock access", 403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", R.MODEL),
    ("Hugging Face model", 400, "model_not_supported", "The requested model 'x' is not supported by any provider you have enabled.", R.MODEL),
    ("FastAPI", 404, "", "Not Found", R.ROUTE),
    ("Go", 404, "", "404 page not found", R.ROUTE),
    ("nginx", 404, "", "<html><head><title>404 Not Found</title></head>", R.ROUTE),
    ("Express", 404, "", "Cannot POST /chat/completions", R.ROUTE),
    ("an empty 404", 404, "", "", R.ROUTE),
    # rest
    ("rate", 429, "rate_limit_exceeded", "Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 500, Used 500", R.RATE),
    ("Azure rate", 429, "429", "Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 20 seconds.", R.RATE),
    ("Gemini rate", 429, "429 RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", R.RATE),
    ("an empty 429", 429, "", "", R.RATE),
    ("Anthropic overload", 529, "overloaded_error", "Overloaded", R.OVERLOAD),
    ("Gemini overload", 503, "503 UNAVAILABLE", "The model is overloaded. Please try again later.", R.OVERLOAD),
    ("llama.cpp loading", 503, "503 unavailable_error", "Loading model", R.OVERLOAD),
    ("CUDA", 500, "", "CUDA error", R.FAILURE),
    ("gateway timeout", 504, "", "", R.TIMEOUT),
    ("conflict", 409, "", "", R.FAILURE),
    # the client's
    ("bad field", 400, "invalid_request_error", "temperature: Input should be less than or equal to 1", R.REQUEST),
    ("body too large", 413, "request_too_large", "Request exceeds the maximum size", R.REQUEST),
    ("an image", 404, "404", "No endpoints found that support image input", R.REQUEST),
    ("a file", 404, "invalid_request_error", "No such File object: file-123", R.REQUEST),
    ("about the request", 404, "some_error", "about your request", R.REQUEST),
]  # fmt: skip


@pytest.mark.parametrize(("vendor", "status", "label", "message", "meaning"), ROWS, ids=[row[0] for row in ROWS])
def test_each_vendors_words_have_their_meaning(vendor, status, label, message, meaning):
    assert refusal_of(status, label, message) is meaning


@pytest.mark.parametrize(
    ("label", "message", "meaning"),
    [
        ("overloaded_error", "Overloaded", R.OVERLOAD),
        ("rate_limit_error", "slow down", R.RATE),
        ("insufficient_quota", "You exceeded your current quota", R.BILLING),
        ("", "Your credit balance is too low to access the API", R.BILLING),
        ("authentication_error", "invalid x-api-key", R.KEY),
        ("permission_error", "no", R.KEY),
        ("context_length_exceeded", "Your input exceeds the context window of this model.", R.CONTEXT),
        ("content_filter", "filtered", R.CONTENT),
        ("timeout_error", "too late", R.TIMEOUT),
        ("model_not_found", "The model `x` does not exist", R.MODEL),
        ("invalid_request_error", "temperature", R.REQUEST),
        ("server_error", "The server had an error", R.FAILURE),
        ("", "", R.FAILURE),
    ],
)
def test_an_error_inside_a_response_is_read_by_the_same_table(label, message, meaning):
    assert refusal_of(IN_RESPONSE, label, message) is meaning


def test_a_limit_that_names_its_time_is_no_spent_quota_unless_its_label_says_so():
    words = "You exceeded your current quota, please check your plan and billing details."
    assert refusal_of(429, "429 RESOURCE_EXHAUSTED", words) is R.BILLING
    assert refusal_of(429, "429 RESOURCE_EXHAUSTED", words, says_when=True) is R.RATE
    assert refusal_of(429, "insufficient_quota", words, says_when=True) is R.BILLING


@pytest.mark.parametrize("meaning", [R.KEY, R.BILLING, R.MODEL])
def test_a_prompt_that_is_repeated_in_a_message_does_not_take_an_endpoint_out(meaning):
    """Servers quote the wrong value: what a client has written stands behind their own words."""
    quoted = {R.KEY: "api key expired", R.BILLING: "insufficient balance", R.MODEL: "no such model"}[meaning]
    long = "messages.0.content: input should be a valid list, got: " + "x" * 300
    assert refusal_of(400, "invalid_request_error", f"{long} {quoted}") is R.REQUEST
    assert refusal_of(400, "invalid_request_error", f"{quoted}: the account") is meaning


def test_the_reasons_of_google_are_part_of_the_label():
    body = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "m", "details": [{"reason": "API_KEY_INVALID"}, 7]}}
    error = read_error_body(json.dumps(body).encode())
    assert error is not None
    assert refusal_of(400, error.label, error.message) is R.KEY


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (403, "error code: 1010", True),
        (403, "<html><title>Attention Required! | Cloudflare</title>", True),
        (403, "<html><body>The requested URL was rejected. Please consult with your administrator.", True),
        (403, "forbidden", False),
        (500, "cloudflare", False),
    ],
)
def test_a_page_of_a_firewall(status, text, expected):
    assert is_firewall_page(status, text) is expected


def test_every_meaning_is_in_the_table_or_follows_from_a_status():
    assert {row.refusal for row in TABLE} | {R.FAILURE} == set(R)
    assert {meaning for *_, meaning in ROWS} == set(R)
