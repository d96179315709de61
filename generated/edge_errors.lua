-- Written by protos/generate.py. Do not edit.
return {
  dialect = "rbi",
  prefixes = {
    { prefix = "/client/", dialect = "es" },
    { prefix = "/loyalty/visits/", dialect = "es" },
  },
  answers = {
    es = {
      [400] = { code = "INVALID_REQUEST", message = "Request body is invalid" },
      [401] = { code = "INVALID_REQUEST", message = "Authentication is missing or not valid" },
      [403] = { code = "INVALID_REQUEST", message = "The API key does not allow this call" },
      [404] = { code = "INVALID_REQUEST", message = "No such path" },
      [405] = { code = "INVALID_REQUEST", message = "This path does not accept that method" },
      [408] = { code = "INVALID_REQUEST", message = "The request did not arrive in time" },
      [413] = { code = "INVALID_REQUEST", message = "Request body is larger than 512 KiB" },
      [415] = { code = "INVALID_REQUEST", message = "Send the body unencoded: content-encoding is not supported" },
      [429] = { code = "TOO_MANY_REQUESTS", message = "Too many requests, try again later" },
      [431] = { code = "INVALID_REQUEST", message = "Request headers are too large" },
      [500] = { code = "INTERNAL_ERROR", message = "The service failed" },
      [501] = { code = "NOT_IMPLEMENTED", message = "This call is not offered" },
      [502] = { code = "BAD_GATEWAY", message = "The service gave no usable answer" },
      [503] = { code = "SERVICE_UNAVAILABLE", message = "The service is not available, try again later" },
      [504] = { code = "TIMEOUT", message = "The service did not answer in time" },
    },
    rbi = {
      [400] = { code = "ValidationError", message = "Request body is invalid", details = "{\"reason\":\"REQUEST_INVALID\",\"metadata\":{\"fields\":\"\",\"violations\":\"0\"}}" },
      [401] = { code = "Unauthorized", message = "Authentication is missing or not valid", details = "{\"reason\":\"API_KEY_MISSING\",\"metadata\":{}}" },
      [403] = { code = "Forbidden", message = "The API key does not allow this call", details = "{}" },
      [404] = { code = "NotFound", message = "No such path", details = "{}" },
      [405] = { code = "MethodNotAllowed", message = "This path does not accept that method", details = "{}" },
      [408] = { code = "RequestTimeout", message = "The request did not arrive in time", details = "{}" },
      [413] = { code = "PayloadTooLarge", message = "Request body is larger than 512 KiB", details = "{}" },
      [415] = { code = "UnsupportedMediaType", message = "Send the body unencoded: content-encoding is not supported", details = "{}" },
      [429] = { code = "TooManyRequests", message = "Too many requests, try again later", details = "{\"reason\":\"SERVER_BUSY\",\"metadata\":{\"retry_after_ms\":\"1000\"}}" },
      [431] = { code = "HeadersTooLarge", message = "Request headers are too large", details = "{}" },
      [500] = { code = "InternalServerError", message = "The service failed", details = "{}" },
      [501] = { code = "NotImplemented", message = "This call is not offered", details = "{}" },
      [502] = { code = "BadGateway", message = "The service gave no usable answer", details = "{}" },
      [503] = { code = "ServiceUnavailable", message = "The service is not available, try again later", details = "{}" },
      [504] = { code = "Timeout", message = "The service did not answer in time", details = "{}" },
    },
  },
  headers = {
    es = {
      { "referrer-policy", "no-referrer" },
      { "x-xss-protection", "1;mode=block" },
      { "access-control-allow-origin", "*" },
      { "expect-ct", "max-age=86400" },
      { "strict-transport-security", "max-age=31536000" },
      { "feature-policy", "vibrate 'none'; geolocation 'none'" },
      { "x-frame-options", "sameorigin" },
      { "content-security-policy", "connect-src 'none';object-src https://*.cloudfront.net;script-src https://*.cloudfront.net" },
      { "cache-control", "no-cache, no-store, must-revalidate" },
      { "x-content-type-options", "nosniff" },
    },
    rbi = {
      { "referrer-policy", "no-referrer" },
      { "x-xss-protection", "1;mode=block" },
      { "strict-transport-security", "max-age=31536000" },
      { "x-frame-options", "sameorigin" },
      { "content-security-policy", "default-src 'none'" },
      { "cache-control", "no-store" },
      { "x-content-type-options", "nosniff" },
    },
  },
  routes = {
    ["POST /client/sessions/{original_transaction_id}/adjustments"] = {
      dialect = "es",
      fields = {
        ["currentCorrelationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /client/users/anonymous/sessions"] = {
      dialect = "es",
      fields = {
        [""] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Invalid Correlation ID" } },
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Invalid Correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/activity/finalize/v2"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/activity/saf/v2"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/activity/trial/v2"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/adhoc-redemption"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["businessUnit"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "businessUnit is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "Business Unit is mandatory and required to be non-empty" } },
        ["reservationToken"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "reservationToken is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "reservationToken is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/adhoc-reward"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["businessUnit"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "businessUnit is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "Business Unit is mandatory and required to be non-empty" } },
        ["issuerId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "issuerId is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "issuerId is mandatory and required to be non-empty" } },
        ["rewardId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "rewardId is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "rewardId is mandatory and required to be non-empty" } },
        ["rewardAmount"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "rewardAmount is invalid" }, missing = { status = 400, code = "INVALID_REQUEST", message = "rewardAmount is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/adjustments"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["DELETE /client/users/{correlation_id}/advices/loyalty"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["entity"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "entity is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "entity is mandatory and required to be non-empty" } },
        ["context"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "context is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "context is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["GET /client/users/{correlation_id}/advices/loyalty"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/advices/loyalty"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["entity"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "entity is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "entity is mandatory and required to be non-empty" } },
        ["context"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "context is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "context is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["GET /client/users/{correlation_id}/balance"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["GET /client/users/{correlation_id}/membership"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/reservations"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["reservationAmount"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "reservationAmount is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "reservationAmount is mandatory and required to be non-empty" } },
        ["fulfillmentEmailKey"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "fulfillmentEmailKey is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "fulfillmentEmailKey is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["DELETE /client/users/{correlation_id}/reservations/{reservation_token}"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["PUT /client/users/{correlation_id}/reservations/{reservation_token}"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["reservationAmount"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "reservationAmount is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "reservationAmount is mandatory and required to be non-empty" } },
        ["fulfillmentEmailKey"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "fulfillmentEmailKey is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "fulfillmentEmailKey is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/sessions/{original_transaction_id}/adjustments"] = {
      dialect = "es",
      fields = {
        ["currentCorrelationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/sessions/{original_transaction_id}/confirmations"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["GET /client/users/{correlation_id}/transactions/history/v2"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["limit"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "limit is invalid" } },
        ["from"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "from is invalid" } },
        ["to"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "to is invalid" } },
        ["transactionId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "transactionId is invalid" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{correlation_id}/void"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["originalTransactionId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "originalTransactionId is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "originalTransactionId is mandatory and required to be non-empty." } },
      },
      answers = {
      },
    },
    ["POST /client/users/{identifier}/sessions"] = {
      dialect = "es",
      fields = {
        [""] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Invalid Correlation ID" } },
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Invalid Correlation ID" } },
        ["channel"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "channel is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "Channel is mandatory and required to be non-empty" } },
        ["identifier"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Invalid loyaltyId" } },
      },
      answers = {
      },
    },
    ["POST /client/users/{original_correlation_id}/award"] = {
      dialect = "es",
      fields = {
        ["currentCorrelationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /loyalty/visits/{correlation_id}/adjustments-without-receipt"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["GET /loyalty/visits/{correlation_id}/history"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["limit"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "limit is invalid" } },
        ["from"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "from is invalid" } },
        ["to"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "to is invalid" } },
        ["transactionId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "transactionId is invalid" } },
      },
      answers = {
      },
    },
    ["POST /loyalty/visits/{correlation_id}/offline-purchase"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["POST /loyalty/visits/{correlation_id}/purchase"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["PUT /loyalty/visits/{correlation_id}/reservations/{reservation_token}"] = {
      dialect = "es",
      fields = {
        ["correlationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
        ["reservationAmount"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "reservationAmount is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "reservationAmount is mandatory and required to be non-empty" } },
        ["fulfillmentEmailKey"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "fulfillmentEmailKey is invalid" }, missing = { status = 400, code = "MISSING_REQUIRED_FIELDS_ERROR", message = "fulfillmentEmailKey is mandatory and required to be non-empty" } },
      },
      answers = {
      },
    },
    ["POST /loyalty/visits/{correlation_id}/trial"] = {
      dialect = "es",
      fields = {
      },
      answers = {
      },
    },
    ["POST /loyalty/visits/{original_transaction_id}/adjustments"] = {
      dialect = "es",
      fields = {
        ["currentCorrelationId"] = { wrong = { status = 400, code = "INVALID_REQUEST", message = "Must provide a session correlation ID" } },
      },
      answers = {
      },
    },
    ["POST /oauth2/token"] = {
      dialect = "rbi",
      oauth = true,
      fields = {
      },
      answers = {
        [401] = { status = 401, error = "invalid_client" },
        [429] = { status = 429, error = "temporarily_unavailable" },
        [503] = { status = 503, error = "temporarily_unavailable" },
        [504] = { status = 504, error = "temporarily_unavailable" },
      },
    },
  },
}
